"""Tools that run this project: the embedded Kubernetes, the deployment, the service alone, generated docs."""
