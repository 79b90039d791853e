"""Learned embeddings of users and items, turned into recommendations."""

__version__ = "0.1.0"
