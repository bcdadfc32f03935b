"""A real Kubernetes on one machine without a container engine: upstream's own programs in namespaces of their own."""
