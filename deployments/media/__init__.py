"""media_v2: the registry's HTTP face, and what an upload is."""
