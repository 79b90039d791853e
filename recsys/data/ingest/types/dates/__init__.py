"""Dates as people write them, and the formats that read them."""
