"""The simulated MongoDB and data service."""
