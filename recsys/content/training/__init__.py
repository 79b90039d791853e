"""What embedders train, for the one training loop."""
