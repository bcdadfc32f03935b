"""The timeline, newest first: Kubernetes Events and the changes between two states."""
