"""What options have done to a fit: memory that they took, a divergence, scores that tell nothing."""
