"""The states of a broken deployment: what is wrong with its autoscaler, its database or its service."""
