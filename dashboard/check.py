"""Recomputes the verdicts of evidence files from their records, offline.

    make evidence FILES=…       installs what it needs, and runs
    python -m dashboard.check FILE…

One line a file goes to stdout: the same verdict, or what differs. Exit status: 0 all the same, 1 one differs, 2 one
can't be read or recomputed. Memory is bounded, whatever a file has.
"""

import argparse
import hashlib
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from msgspec import Struct, to_builtins
except ModuleNotFoundError as error:  # Python's own exit status would be 1: something differs
    print(f"The package {error.name} is missing: run `make evidence`, which installs it.", file=sys.stderr)
    sys.exit(2)

from dashboard.prove import plain, spell_out
from dashboard.runs.demo import Demo
from dashboard.runs.demos.records import reader
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.evidence.file import CHUNK_BYTES, EvidenceReader, Unreadable
from dashboard.runs.evidence.records import End
from dashboard.runs.records.record import checks_of
from dashboard.runs.verdict import Verdict

SAME, DIFFERS, UNREADABLE = "same", "differs", "unreadable"
STATUSES = {SAME: 0, DIFFERS: 1, UNREADABLE: 2}
NAMED = 10  # differences at most, in a file's line

Json = dict[str, Any]


class CheckResult(Struct, frozen=True):
    """The result of a file's check. `sha256` is the file's, as the run has it; None if it was not read to its end."""

    file: str
    result: str
    line: str | None = None
    differences: list[str] = []
    reason: str | None = None
    run: str | None = None
    sha256: str | None = None

    @property
    def sentence(self) -> str:
        if self.result == SAME:
            return f"{self.file}: the same verdict: {self.line}"
        if self.result == UNREADABLE:
            return f"{self.file}: {self.reason}"
        more = len(self.differences) - NAMED
        named = [*self.differences[:NAMED], *([f"and {more} more differences"] if more > 0 else [])]
        return f"{self.file}: {'; '.join(named)}"


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.check", description="Recomputes the verdicts of evidence files from their records."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="an evidence file, GET /api/runs/<id>/evidence")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file")
    options = parser.parse_args(arguments)
    spell_out()
    try:
        return _report(options.files, options.json)
    except Exception:  # a defect, which must not look like a difference: Python's own exit status is 1
        traceback.print_exc()
        return STATUSES[UNREADABLE]


def _report(names: list[str], as_json: bool) -> int:
    results = [check(name) for name in names]
    for result in results:
        print(json.dumps(to_builtins(result)) if as_json else plain(result.sentence))
    return max(STATUSES[result.result] for result in results)


def check(name: str) -> CheckResult:
    digest = hashlib.sha256()
    try:
        file = reader(_chunks(name, digest))
        run = file.header.run
        differences, line = _differences(file)
    except (Unreadable, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return CheckResult(name, UNREADABLE, reason=reason)
    result = DIFFERS if differences else SAME
    return CheckResult(name, result, line, differences, run=run, sha256=digest.hexdigest())


def _differences(file: EvidenceReader) -> tuple[list[str], str]:
    """Return what differs, and the verdict's line as the file has it. Raise `Unreadable`."""
    header = file.header
    demo = DEMOS.get(header.demo)
    if demo is None or demo.recompute is None:
        raise Unreadable(f"This version can't recompute the demo {header.demo!r}.")
    try:
        found = demo.recompute(header, file.records())
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise Unreadable(f"Its records can't be recomputed: {type(error).__name__}: {error}.") from error
    end = file.end
    if end is None:
        raise Unreadable("It has no last line.")
    if end.left_out:
        raise Unreadable(f"It is incomplete: {end.left_out:,} records had no room, so its verdict can't be recomputed.")
    if header.source == "mock":
        raise Unreadable("The mock made this run up: there is nothing to recompute.")
    return [*file.differences, *found.differences, *_contradictions(end, found.verdict, demo)], end.line


def _contradictions(end: End, found: Verdict, demo: Demo) -> Iterator[str]:
    """Yield where the verdict of the file differs from that of its records."""
    for name, stated, recomputed in (
        ("verdict", end.verdict, found.verdict),
        ("reason", end.reason, found.reason),
        ("line", end.line, found.line),
    ):
        if stated != recomputed:
            yield f"the {name} is {stated!r}, by the records {recomputed!r}"
    evidence = json.loads(json.dumps(found.evidence))  # as a file has it: lists for tuples
    for name in [*evidence, *(name for name in end.evidence if name not in evidence)]:
        if end.evidence.get(name) != evidence.get(name):
            yield f"{name} is {end.evidence.get(name)}, by the records {evidence.get(name)}"
    claims = {each.get("name"): each for each in end.checks}
    for each in checks_of(demo, found):
        given = claims.get(each["name"])
        if given != each:
            yield f"the claim {each['name']} is {given and given.get('verdict')}, by the records {each['verdict']}"


def _chunks(name: str, digest: Any) -> Iterator[bytes]:
    with Path(name).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            yield chunk


if __name__ == "__main__":
    sys.exit(main())
