"""The service over HTTP: bodies and answers, the routes, the checks at the door, metrics and logs."""
