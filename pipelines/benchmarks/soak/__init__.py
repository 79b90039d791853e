"""A long run of the service: requests at a fixed rate while its champion moves and its process is killed."""
