"""The simulated cluster: pods, workloads, autoscaler, metrics server, Kubernetes Events, and a reader of its pods."""
