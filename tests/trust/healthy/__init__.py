"""The states of a healthy deployment, and the processes beside it that some of them need."""
