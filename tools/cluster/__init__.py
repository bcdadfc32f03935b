"""The embedded cluster: upstream Kubernetes on one node, in Linux namespaces of its own, without Docker."""
