"""The rollout demo: the service's pods are rolled forward and back while it is used."""
