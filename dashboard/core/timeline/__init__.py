"""What happened, newest first: Kubernetes Events and the changes between two states."""
