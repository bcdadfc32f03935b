"""The service on this machine alone, without Kubernetes: a real mongod from its wheel, and `make local`."""
