"""The parts of the report's page, a module each."""
