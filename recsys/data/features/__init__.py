"""Feature transforms of columns, fitted on the training part."""
