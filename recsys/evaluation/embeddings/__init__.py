"""Intrinsic quality of embedding tables."""
