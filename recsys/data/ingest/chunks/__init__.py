"""Large tables read in chunks: the ids of all chunks are numbered together, and no cell becomes a Python object."""
