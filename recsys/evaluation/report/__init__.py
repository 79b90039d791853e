"""The report of an evaluation: JSON, HTML and figures."""
