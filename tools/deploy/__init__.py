"""From a checkout to a running deployment: images, secrets, manifests, addresses; on any of the clusters it knows."""
