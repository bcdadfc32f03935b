"""The Kubernetes API: one client, and everything that reads or changes an object through it."""
