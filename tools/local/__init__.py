"""The service on this machine without Kubernetes: `make local`, and a mongod from a wheel, which tests use too."""
