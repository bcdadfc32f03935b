"""The states of a healthy deployment, and the load beside it that some of them need."""
