"""What the service writes: feedback, exposures and shadow lists as JSON lines, and its messages on stderr."""
