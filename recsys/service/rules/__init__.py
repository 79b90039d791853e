"""Lists of the service under the rules of a batch."""
