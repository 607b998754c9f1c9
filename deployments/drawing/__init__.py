"""Text, SVG and finished pixels for the engines that draw: image_core, typography_core, vector_core."""
