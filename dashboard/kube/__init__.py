"""The Kubernetes API: the client, and everything that reads or changes an object with it."""
