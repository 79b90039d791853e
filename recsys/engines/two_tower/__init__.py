"""The two-tower engine and the sequence models that are special cases of it."""
