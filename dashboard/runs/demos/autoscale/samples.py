"""CPU samples as a run can use them: on the dashboard's clock, as far as that can be told, and each with a window."""

from collections.abc import Mapping

Samples = Mapping[str, tuple[float, float, float]]  # pod uid → (the sample's moment, millicores, its window in seconds)


class SampleClock:
    """How far the clock of each pod's node is ahead of the dashboard's, at least: no sample is of a time after it was
    seen. A clock that is behind can't be told from samples that come late, and only makes a run wait for longer."""

    def __init__(self) -> None:
        self._ahead: dict[str, float] = {}

    def corrected(self, samples: Samples, at: float, resolution: float) -> Samples:
        """The samples as they are seen `at`. One that tells no window is of `resolution` seconds."""
        ahead = {uid: max(0.0, sampled - at, self._ahead.get(uid, 0.0)) for uid, (sampled, *_) in samples.items()}
        self._ahead = ahead
        return {
            uid: (sampled - ahead[uid], used, window if window > 0 else resolution)
            for uid, (sampled, used, window) in samples.items()
        }
