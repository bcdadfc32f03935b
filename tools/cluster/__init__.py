"""The embedded cluster: upstream Kubernetes on one node or several, in Linux namespaces, without Docker."""
