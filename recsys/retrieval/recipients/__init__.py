"""Who gets lists: users of the data, those who are new since the last run, or sessions of a file."""
