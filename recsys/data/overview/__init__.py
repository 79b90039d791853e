"""What raw tables hold, for people: which columns are used and why, and pictures of the data."""
