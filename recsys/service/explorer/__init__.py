"""The explorer: a page on which a person looks at histories, lists, their reasons and neighbours of two models."""
