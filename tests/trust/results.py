"""The results of all runs, as a file with one JSON object per line."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.trust.case import AUTOSCALE, PERSISTENCE, Case

# Raise a demo's number when it decides verdicts in another way. Results of other protocols do not count.
PROTOCOLS = {AUTOSCALE: 1, PERSISTENCE: 2}
ERROR = "error"  # the state could not be brought about, so there was no run


@dataclass(frozen=True)
class Result:
    """One run. `verdict` is the run's, or "error"; `seconds` is its duration; `started` is a time in RFC 3339.

    `checked` is what dashboard.check found in its evidence file, None if that was not checked.
    """

    case: str
    kind: str
    demo: str
    verdict: str
    ok: bool
    line: str
    reason: str | None
    seconds: float
    started: str
    commit: str
    machine: str
    protocol: int
    checked: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.demo, self.kind, self.case


class Results:
    """The results file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Result]:
        """Return the results of the demos' current protocols."""
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        read = [Result(**json.loads(line)) for line in lines]
        return [each for each in read if each.protocol == PROTOCOLS[each.demo]]

    def append(self, result: Result) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")

    def missing(self, case: Case, repeat: int) -> int:
        """Return how many of `repeat` runs of a case are missing."""
        counts = Counter(each.key for each in self.read() if each.verdict != ERROR)
        return max(0, repeat - counts[case.demo, case.kind, case.name])

    def delete(self, cases: Collection[Case]) -> None:
        """Delete the results of these cases."""
        deleted = {(case.demo, case.kind, case.name) for case in cases}
        kept = [each for each in self.read() if each.key not in deleted]
        self._path.unlink(missing_ok=True)
        for each in kept:
            self.append(each)
