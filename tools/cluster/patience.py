"""How long things are waited for: PATIENCE in the environment multiplies each limit, for slow and emulated machines."""

import os

from tools.cluster.errors import HostError


def patient(seconds: float) -> float:
    """Return a limit in seconds, times PATIENCE. Raise HostError if that is not a number from 1 to 100."""
    text = os.environ.get("PATIENCE") or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= 100:
        raise HostError(f"PATIENCE={text} is not a factor: give a number from 1 to 100.")
    return seconds * factor
