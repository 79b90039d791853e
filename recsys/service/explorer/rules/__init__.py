"""Rules of lists on the page: what may be moved, and the lists that come of it."""
