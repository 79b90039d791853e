"""Raw tables in: read, coerced, checked and encoded as a `recsys.data.dataset.Dataset`."""
