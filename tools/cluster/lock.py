"""One at a time: what several runs share is made by one of them while the others wait."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Holds the lock file at `path`; it is let go when the block, or the process, ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
