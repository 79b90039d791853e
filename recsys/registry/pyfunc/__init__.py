"""The registered model: rows in, lists out, as MLflow serves it."""
