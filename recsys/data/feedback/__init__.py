"""Feedback: what is a like, what takes one back, and what engines and the seen filter know of the rest."""
