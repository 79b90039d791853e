"""Automatic choice of engines, options and weights within a time budget."""
