"""A pod's details: what it is made of, its events, its logs, its YAML."""
