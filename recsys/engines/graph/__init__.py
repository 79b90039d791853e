"""Engines on the user-item graph."""
