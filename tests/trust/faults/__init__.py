"""The states of a broken deployment: faults of its autoscaler, its database and its service."""
