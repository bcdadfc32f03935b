"""The HorizontalPodAutoscaler's algorithm, re-implemented and explained in words. `evaluation` is the entry point."""
