"""How the database is ended."""

from typing import Literal

Mode = Literal["graceful", "crash"]  # its pod is deleted, or its mongod killed (kube.pods.control.MODES)


def by_turns(first: Mode, number: int) -> Mode:
    """Return how it is ended the given time, from 0, of a run that begins with `first`."""
    other: Mode = "graceful" if first == "crash" else "crash"
    return other if number % 2 else first
