"""Reads delimited text: encoding, separators, quotes, headers, and the lines that are no rows."""
