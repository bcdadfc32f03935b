"""The HorizontalPodAutoscaler's arithmetic by its controller's rules, and in words: `evaluation` is the way in."""
