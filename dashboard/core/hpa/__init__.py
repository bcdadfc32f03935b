"""The HorizontalPodAutoscaler's arithmetic by its controller's rules, and in words: `reckoning` is the way in."""
