"""Tensors in, tensors out: no files, no Ray, no request shapes."""
