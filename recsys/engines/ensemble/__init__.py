"""Weighted sums of fitted engines."""
