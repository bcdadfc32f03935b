"""A run's whole history as one file, which others can check."""
