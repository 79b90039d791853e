"""Rules of a batch: which items may be recommended, and which users get a list."""
