"""Deployment of this checkout to a cluster: images, secrets, manifests, rollout, addresses."""
