"""CPU samples, converted to the dashboard's clock where that is possible, each with a window."""

from collections.abc import Mapping

Samples = Mapping[str, tuple[float, float, float]]  # pod uid → (timestamp, millicores, window in seconds)


class SampleClock:
    """The lower bound of how far each node's clock is ahead of the dashboard's: a sample can't be newer than its
    observation. A clock that is behind looks like late samples, and only makes a run wait longer."""

    def __init__(self) -> None:
        self._ahead: dict[str, float] = {}

    def corrected(self, samples: Samples, at: float, resolution: float) -> Samples:
        """Return the samples observed `at`, on the dashboard's clock. `resolution` replaces a missing window."""
        ahead = {uid: max(0.0, sampled - at, self._ahead.get(uid, 0.0)) for uid, (sampled, *_) in samples.items()}
        self._ahead = ahead
        return {
            uid: (sampled - ahead[uid], used, window if window > 0 else resolution)
            for uid, (sampled, used, window) in samples.items()
        }
