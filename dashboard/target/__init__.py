"""The service under proof, whoever wrote it: what its contract promises, and a client that keeps to it."""
