"""The protocols of splits, one a file."""
