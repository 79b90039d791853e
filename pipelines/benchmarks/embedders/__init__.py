"""Recall and cost of each embedder, alone and joined with the other inputs."""
