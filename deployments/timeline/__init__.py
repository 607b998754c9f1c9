"""Sequences: the documents that say what is shown when."""
