"""What each embedder is worth, alone and joined with the rest, and what it costs."""
