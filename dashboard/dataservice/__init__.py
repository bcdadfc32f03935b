"""The HTTP client of the data service."""
