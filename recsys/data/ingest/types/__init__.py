"""Cells of one type: numbers, times and ids as people write them, and what is odd about them."""
