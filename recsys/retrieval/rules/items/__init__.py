"""Rules of items: which of the catalogue may be recommended to anybody now."""
