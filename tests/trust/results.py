"""The results of all runs, one JSON object a line, in a file that only grows."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.trust.case import Case

# Results count until the demos' protocol changes in what it decides on: then this number is raised, and all is measured
# again.
PROTOCOL = 1
ERROR = "error"  # the case could not be set up: no result


@dataclass(frozen=True)
class Result:
    """`verdict` is the run's, or "error"; `seconds` is the run's length; `started` is RFC 3339."""

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
    protocol: int = PROTOCOL

    @property
    def key(self) -> tuple[str, str, str]:
        return self.demo, self.kind, self.case


class Results:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Result]:
        """Those of the current protocol."""
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        read = [Result(**json.loads(line)) for line in lines]
        return [each for each in read if each.protocol == PROTOCOL]

    def append(self, result: Result) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")

    def missing(self, case: Case, repeat: int) -> int:
        """How many runs of a case are still to be made."""
        counts = Counter(each.key for each in self.read() if each.verdict != ERROR)
        return max(0, repeat - counts[case.demo, case.kind, case.name])

    def forget(self, cases: Collection[Case]) -> None:
        """Removes the results of these cases."""
        forgotten = {(case.demo, case.kind, case.name) for case in cases}
        kept = [each for each in self.read() if each.key not in forgotten]
        self._path.unlink(missing_ok=True)
        for each in kept:
            self.append(each)
