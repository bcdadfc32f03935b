"""How the autoscale demo judges: what is observed, which load to send, what is owed, and the verdict."""
