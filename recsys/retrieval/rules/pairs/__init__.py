"""Rules of pairs: which items single users may get, and which they must not."""
