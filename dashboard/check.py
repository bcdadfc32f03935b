"""Recomputes the verdicts of evidence files from their records, offline.

    make evidence FILES=…       installs what it needs, and runs
    python -m dashboard.check FILE…

One line a file goes to stdout: the same verdict, or what differs. Exit status: 0 all the same, 1 one differs, 2 one
can't be read or recomputed. Time and memory are bounded, whatever a file has.
"""

import argparse
import hashlib
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

try:
    from msgspec import Struct, to_builtins
    from msgspec.structs import replace
except ModuleNotFoundError as error:  # Python's own exit status would be 1: something differs
    print(f"The package {error.name} is missing: run `make evidence`, which installs it.", file=sys.stderr)
    sys.exit(2)

from dashboard.core import text
from dashboard.core.errors import InvalidOption
from dashboard.prove import plain, spell_out
from dashboard.runs.demo import Demo, checked
from dashboard.runs.demos.records import reader
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.evidence.file import CHUNK_BYTES, EvidenceReader, Unreadable
from dashboard.runs.evidence.limits import SECONDS, limited
from dashboard.runs.evidence.records import End, Header
from dashboard.runs.records.record import checks_of
from dashboard.runs.verdict import Verdict

SAME, DIFFERS, UNREADABLE = "same", "differs", "unreadable"
STATUSES = {SAME: 0, DIFFERS: 1, UNREADABLE: 2}
NAMED = 10  # differences at most, in a file's line
LENGTH = 300  # characters of each; the JSON has all of them
LINE_LENGTH = 1_000

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
        if self.result == UNREADABLE:
            return f"{self.file}: {text.plain(self.reason or '', LENGTH)}"
        sha256 = f"(SHA-256 {self.sha256})"
        if self.result == SAME:
            return f"{self.file}: the same verdict: {text.plain(self.line or '', LINE_LENGTH)} {sha256}"
        more = len(self.differences) - NAMED
        named = [text.plain(each, LENGTH) for each in self.differences[:NAMED]]
        named += [f"and {more} more differences"] if more > 0 else []
        return f"{self.file}: {'; '.join(named)} {sha256}"


Within = Callable[[int], AbstractContextManager[object]]


def main(arguments: list[str] | None = None, within: Within = nullcontext) -> int:
    """Return the exit status. `within` limits the check of one file to so many seconds."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.check", description="Recomputes the verdicts of evidence files from their records."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="an evidence file, GET /api/runs/<id>/evidence")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file")
    parser.add_argument("--sha256", metavar="HEX", help="the one file's SHA-256, as its run has it: another differs")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each file (default %(default)s)")
    options = parser.parse_args(arguments)
    if options.sha256 and len(options.files) > 1:
        parser.error("--sha256 is of one file")
    spell_out()
    try:
        return max(_report(name, options, within) for name in options.files)
    except Exception:  # a defect, which must not look like a difference: Python's own exit status is 1
        traceback.print_exc()
        return STATUSES[UNREADABLE]


def _report(name: str, options: argparse.Namespace, within: Within) -> int:
    """Check a file and print the result. Return its status."""
    with within(options.seconds):
        result = check(name)
    if options.sha256 and result.sha256 and result.sha256 != options.sha256.lower():
        other = f"its SHA-256 is {result.sha256}, not {options.sha256}"
        result = replace(result, result=DIFFERS, differences=[other, *result.differences])
    print(json.dumps(to_builtins(result)) if options.json else plain(result.sentence), flush=True)
    return STATUSES[result.result]


def check(name: str) -> CheckResult:
    digest = hashlib.sha256()
    try:
        file = reader(_chunks(name, digest))
        run = file.header.run
        differences, line = _differences(file)
    except (Unreadable, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return CheckResult(name, UNREADABLE, reason=reason)
    except MemoryError:
        return CheckResult(name, UNREADABLE, reason="It takes more memory than there is.")
    except Exception as error:  # whatever a stranger's file brings about: the other files are checked nevertheless
        reason = f"Its records can't be recomputed: {type(error).__name__}: {error}."
        return CheckResult(name, UNREADABLE, reason=reason)
    result = DIFFERS if differences else SAME
    return CheckResult(name, result, line, differences, run=run, sha256=digest.hexdigest())


def _differences(file: EvidenceReader) -> tuple[list[str], str]:
    """Return what differs, and the verdict's line as the file has it. Raise `Unreadable`."""
    header = file.header
    demo = DEMOS.get(header.demo)
    if demo is None or demo.recompute is None:
        raise Unreadable(f"This version can't recompute the demo {header.demo!r}.")
    _check_options(demo, header)
    found = demo.recompute(header, file.records())
    end = file.end
    if end is None:
        raise Unreadable("It has no last line.")
    if end.left_out:
        raise Unreadable(f"It is incomplete: {end.left_out:,} records had no room, so its verdict can't be recomputed.")
    if header.source == "mock":
        raise Unreadable("The mock made this run up: there is nothing to recompute.")
    return [*file.differences, *found.differences, *_contradictions(end, found.verdict, demo)], end.line


def _check_options(demo: Demo, header: Header) -> None:
    try:
        known = checked(demo, header.options)
    except InvalidOption as error:
        raise Unreadable(f"Its options are not those of the demo: {error}") from error
    if known != header.options:
        raise Unreadable("Its options lack some of the demo's.")


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
        if name not in evidence:
            yield f"there is a figure {name}, which does not follow from the records"
        elif name not in end.evidence:
            yield f"the figure {name} is missing"
        elif _text(end.evidence[name]) != _text(evidence[name]):
            yield f"{name} is {_text(end.evidence[name])}, by the records {_text(evidence[name])}"
    yield from _claims(end.checks, checks_of(demo, found))


def _claims(stated: list[Json], found: list[Json]) -> Iterator[str]:
    """Yield which claims differ from those that follow from the records."""
    if _text(stated) == _text(found):
        return
    for each in found:
        given = next((one for one in stated if one.get("name") == each["name"]), {})
        if given.get("verdict") != each["verdict"]:
            yield f"the claim {each['name']} is {given.get('verdict')}, by the records {each['verdict']}"
        elif _text(given) != _text(each):
            yield f"the claim {each['name']} is {_text(given)}, by the records {_text(each)}"
    names = [each["name"] for each in found]
    if [each.get("name") for each in stated] != names:
        yield f"the claims are {_text([each.get('name') for each in stated])}, by the records {_text(names)}"


def _text(value: Any) -> str:
    """Return a value as JSON, in which 0, false and null are not the same."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _chunks(name: str, digest: Any) -> Iterator[bytes]:
    with Path(name).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            yield chunk


if __name__ == "__main__":
    sys.exit(main(within=limited))
