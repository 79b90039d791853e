"""Embedders built on the vectors of other embedders."""
