"""Which models a service answers with: where they come from, and when they are loaded anew."""
