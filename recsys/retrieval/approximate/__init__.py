"""Approximate search for large catalogues: what Faiss builds, how widely it is searched, and where it is kept."""
