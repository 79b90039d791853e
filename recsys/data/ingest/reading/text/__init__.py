"""Separated text: encodings, separators, quotes, rows and lines, headers, marks in numbers."""
