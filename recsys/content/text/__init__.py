"""Embedders of text."""
