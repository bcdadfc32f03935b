"""Documents through the data service."""
