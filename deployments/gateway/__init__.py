"""HTTP: context, errors, routes from the table. Light: nothing here reaches torch, cv2, av or whisper."""
