"""Synthetic data with known answers, for tests, examples and benchmarks."""
