"""Somebody else's cluster: what `make up CLUSTER=current` and the by-hand steps do there. Run by `make clusters`."""
