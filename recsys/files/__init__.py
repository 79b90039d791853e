"""Files that are read whole, within limits, and JSON of the shape that was written."""
