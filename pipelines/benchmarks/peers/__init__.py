"""Other libraries on the same data, each in an environment of its own; nothing here is imported by the product."""
