"""Incremental batches: users of whom nothing changed keep the list of the previous output, with the same bytes."""
