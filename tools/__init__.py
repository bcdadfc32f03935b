"""What runs the project on a machine: the embedded Kubernetes, the deployment, the service alone."""
