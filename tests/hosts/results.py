"""What became of each step on each machine, as a file with one JSON object per line."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

OK = "ok"
FAILED = "failed"
INCONCLUSIVE = "inconclusive"  # `make prove` could not show a claim: exit status 2
REFUSED = "refused"  # `make up` said at once that this machine won't do, as it should
NOT_RUN = "not run"  # an earlier step failed


@dataclass(frozen=True)
class StepResult:
    """A step's outcome. `detail` has verdicts, or the end of the output of a failed step."""

    name: str
    outcome: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class Result:
    """One run of the README on one machine. `facts` are versions; `started` is a day."""

    machine: str
    facts: dict[str, str]
    steps: list[StepResult]
    started: str
    commit: str
    emulation: str

    @property
    def ok(self) -> bool:
        return all(step.outcome in (OK, INCONCLUSIVE, REFUSED) for step in self.steps)


class Results:
    """The results file: the latest result of each machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Result]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [decode(json.loads(line)) for line in lines]

    def replace(self, result: Result) -> None:
        """Write a machine's result in place of its former one."""
        kept = [each for each in self.read() if each.machine != result.machine]
        lines = (json.dumps(asdict(each), ensure_ascii=False) for each in sorted([*kept, result], key=_name))
        self._path.write_text("".join(f"{line}\n" for line in lines))


def decode(fields: dict[str, object]) -> Result:
    """Return the result of a JSON object."""
    steps = [StepResult(**step) for step in fields["steps"]]  # type: ignore[attr-defined]
    return Result(**(fields | {"steps": steps}))  # type: ignore[arg-type]


def _name(result: Result) -> str:
    return result.machine
