"""The service behind ``recsys serve``: lists, similar items, vectors, text search and feedback, one model at a time."""
