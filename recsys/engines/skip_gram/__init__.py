"""Skip-gram item embeddings."""
