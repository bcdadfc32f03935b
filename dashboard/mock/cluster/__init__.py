"""The simulated Kubernetes objects."""
