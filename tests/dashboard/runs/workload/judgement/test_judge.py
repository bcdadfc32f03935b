"""The judge of reads: on single reads, and on simulated services: only the correct one is without a finding."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.runs.workload.judgement.judge import FINDINGS, Judgement, judge
from dashboard.runs.workload.operation import Kind, Operation, Outcome, ReadBack

LATE = 10_000.0  # after every write of a simulation


def post(id_: str, began: float, ended: float | None, outcome: Outcome = "acknowledged") -> Operation:
    return write("post", id_, began, ended, outcome)


def write(
    kind: Kind, id_: str, began: float, ended: float | None, outcome: Outcome = "acknowledged", version: int = 1
) -> Operation:
    """Return a write. A version's sha256 is the id and its number: a1."""
    if kind == "delete":
        return Operation(0, kind, id_, began, ended, outcome)
    return Operation(0, kind, id_, began, ended, outcome, version, f"{id_}{version}")


def get(id_: str, began: float, ended: float, sha256: str | None) -> Operation:
    return Operation(0, "get", id_, began, ended, "seen", seen={id_: sha256} if sha256 else {})


def page(began: float, ended: float, *sha256: str) -> Operation:
    return Operation(1, "list", None, began, ended, "seen", seen={each[0]: each for each in sha256})


def end(*sha256: str, at: float = LATE) -> ReadBack:
    return ReadBack("database", at, at + 1, {each[0]: each for each in sha256})


Findings = dict[str, tuple[str, ...]]


def findings(judgement: Judgement) -> Findings:
    return {name: getattr(judgement, name) for name in FINDINGS if getattr(judgement, name)}


POSTED = [post("a", 0, 1)]
REPLACED = [*POSTED, write("put", "a", 2, 4, version=2)]
DELETED = [*POSTED, write("delete", "a", 2, 4)]
UNKNOWN_PUT = [*POSTED, write("put", "a", 2, 4, "unknown", 2)]
UNKNOWN_DELETE = [*POSTED, write("delete", "a", 2, None, "open")]


@pytest.mark.parametrize(
    ("writes", "began", "ended", "seen", "expected"),
    [
        (POSTED, 0.5, 0.6, None, {}),
        (POSTED, 0.5, 0.6, "a1", {}),
        (POSTED, 1, 2, None, {}),
        (POSTED, 1.1, 2, None, {"stale": ("a",)}),
        (POSTED, 1, 2, "a9", {"corrupt": ("a",)}),
        (REPLACED, 3, 3.5, "a1", {}),
        (REPLACED, 3, 3.5, "a2", {}),
        (REPLACED, 1, 1.5, "a2", {"unexpected": ("a",)}),
        (REPLACED, 4, 9, "a1", {}),
        (REPLACED, 4.1, 5, "a1", {"stale": ("a",)}),
        (REPLACED, 4.1, 5, None, {"stale": ("a",)}),
        (DELETED, 3, 3.5, None, {}),
        (DELETED, 3, 3.5, "a1", {}),
        (DELETED, 4, 5, None, {}),
        (DELETED, 4.1, 5, "a1", {"resurrected": ("a",)}),
        (UNKNOWN_PUT, 90, 91, "a1", {}),
        (UNKNOWN_PUT, 90, 91, "a2", {}),
        (UNKNOWN_PUT, 90, 91, None, {"stale": ("a",)}),
        (UNKNOWN_DELETE, 90, 91, None, {}),
        (UNKNOWN_DELETE, 90, 91, "a1", {}),
        ([], 1, 2, "a1", {"unexpected": ("a",)}),
    ],
)
def test_read_may_see_what_was_settled_or_under_way(
    writes: list[Operation], began: float, ended: float, seen: str | None, expected: dict[str, tuple[str, ...]]
) -> None:
    assert findings(judge([*writes, get("a", began, ended, seen)])) == expected


@pytest.mark.parametrize(
    ("writes", "left", "expected", "recovered"),
    [
        (POSTED, [], {"lost": ("a",)}, ()),
        (REPLACED, ["a1"], {"regressed": ("a",)}, ()),
        (REPLACED, [], {"lost": ("a",)}, ()),
        (DELETED, ["a1"], {"resurrected": ("a",)}, ()),
        (DELETED, [], {}, ()),
        (POSTED, ["a7"], {"corrupt": ("a",)}, ()),
        (POSTED, ["a1", "b1"], {"unexpected": ("b",)}, ()),
        (UNKNOWN_PUT, ["a2"], {}, ("a",)),
        (UNKNOWN_PUT, ["a1"], {}, ()),
        (UNKNOWN_DELETE, [], {}, ("a",)),
        ([post("a", 0, 1, "unknown")], ["a1"], {}, ("a",)),
        ([post("a", 0, 1, "failed")], ["a1"], {}, ("a",)),
        ([post("a", 0, 1, "unknown")], [], {}, ()),
    ],
)
def test_read_back_finds_what_was_not_kept(
    writes: list[Operation], left: list[str], expected: dict[str, tuple[str, ...]], recovered: tuple[str, ...]
) -> None:
    judgement = judge(writes, [end(*left)])
    assert (findings(judgement), judgement.recovered) == (expected, recovered)


def test_write_that_applies_late_may_be_seen_after_a_later_one() -> None:
    writes = [*UNKNOWN_PUT, write("put", "a", 5, 6, version=3)]
    assert findings(judge([*writes, get("a", 90, 91, "a2")], [end("a2")])) == {}
    assert findings(judge([*writes, get("a", 90, 91, "a1")], [end("a3")])) == {"stale": ("a",)}


UNKNOWN_POST = [post("a", 0, 1, "unknown")]
PUT_UNDER_WAY = [*POSTED, write("put", "a", 2, 20, version=2)]


@pytest.mark.parametrize(
    ("writes", "shown", "later", "at_the_end", "expected"),
    [
        (UNKNOWN_POST, "a1", "a1", None, {"lost": ("a",)}),
        (UNKNOWN_POST, "a1", None, "a1", {"stale": ("a",)}),
        (UNKNOWN_PUT, "a2", "a2", "a1", {"regressed": ("a",)}),
        (UNKNOWN_PUT, "a2", "a1", "a2", {"stale": ("a",)}),
        (PUT_UNDER_WAY, "a2", "a1", "a2", {"stale": ("a",)}),
        (UNKNOWN_DELETE, None, "a1", "a1", {}),
    ],
)
def test_write_that_a_read_has_shown_must_not_vanish(
    writes: list[Operation], shown: str | None, later: str | None, at_the_end: str | None, expected: Findings
) -> None:
    reads = [get("a", 5, 6, shown), get("a", 7, 8, later)]
    assert findings(judge([*writes, *reads], [end(*filter(None, [at_the_end]))])) == expected


def test_write_without_an_outcome_that_a_read_has_shown_still_counts_as_recovered() -> None:
    found = judge([*UNKNOWN_PUT, get("a", 5, 6, "a2")], [end("a2")])
    assert (found.recovered, findings(found)) == (("a",), {})


def test_document_missed_by_one_of_two_read_backs_is_lost() -> None:
    assert findings(judge(POSTED, [end("a1"), end()])) == {"lost": ("a",)}


def test_document_that_is_wrong_in_the_end_is_not_stale_too() -> None:
    assert findings(judge([*POSTED, get("a", 2, 3, None)], [end()])) == {"lost": ("a",)}
    assert findings(judge([*REPLACED, get("a", 5, 6, "a1")], [end("a1")])) == {"regressed": ("a",)}


def test_list_says_nothing_about_older_documents() -> None:
    writes = [post(id_, 0, 1) for id_ in "abcd"]
    assert findings(judge([*writes, page(2, 3, "d1", "c1")])) == {}


def test_list_has_every_acknowledged_document_from_its_last_one_on() -> None:
    writes = [*(post(id_, 0, 1) for id_ in "abcd"), post("e", 1.5, 4), write("delete", "b", 1, 1.5)]
    assert findings(judge([*writes, page(2, 3, "d1", "a1")])) == {"stale": ("c",)}
    assert findings(judge([*writes, page(2, 3, "c1", "a1")])) == {"stale": ("d",)}


def test_list_without_documents_of_the_run_says_nothing() -> None:
    assert findings(judge([*POSTED, page(2, 3)])) == {}


def test_unexpected_document_does_not_widen_a_list() -> None:
    writes = [post(id_, 0, 1) for id_ in "bcd"]
    assert findings(judge([*writes, page(2, 3, "d1", "a1")])) == {"unexpected": ("a",)}


def test_read_without_an_answer_says_nothing() -> None:
    failed = [Operation(0, "get", "a", 2, 3, "failed"), Operation(1, "list", None, 2, None, "open")]
    judgement = judge([*POSTED, *failed])
    assert findings(judgement) == {} and (judgement.reads, judgement.never_read) == (0, 1)


def test_reads_and_stable_and_unread_documents_are_counted() -> None:
    """c was never read; e was posted after the list, and is not in it."""
    writes = [*(post(id_, 0, 1) for id_ in "abcd"), post("e", 8, 9)]
    reads = [get("a", 2, 3, "a1"), get("b", 2, 3, None), page(2, 3, "d1")]
    judgement = judge([*writes, *reads], [end("a1", "b1", "c1", "d1", "e1")])
    assert (judgement.reads, judgement.stable, judgement.never_read) == (3, 2, 2)
    assert findings(judgement) == {"stale": ("b",)}


# Simulated services


@dataclass
class Simulation:
    """Registers, one a document, in virtual time: what was sent and seen, and the documents at the end. All writes of
    the document v are acknowledged."""

    operations: list[Operation] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    def findings(self, **changed: str | None) -> dict[str, tuple[str, ...]]:
        """Return what is found if the documents `changed` have another sha256 at the end, or are absent."""
        left = {id_: sha256 for id_, sha256 in (self.left | changed).items() if sha256}
        backs = [ReadBack("database", LATE, LATE + 1, left), ReadBack("service", LATE + 1, LATE + 2, left)]
        return findings(judge(self.operations, backs))


Point = tuple[float, Operation]  # when a write is applied


@st.composite
def simulations(draw: st.DrawFn, last: Kind = "post") -> Simulation:
    """A correct service: each acknowledged write is applied once while it is under way, though its answer may come late
    (a retry); an unknown one is applied at any later time, or never; each document of a list is read at a moment of its
    own. The last write of v is of the given kind."""
    simulated, applied = Simulation(), dict[str, list[Point]]()
    for id_ in "abcdef"[: draw(st.integers(0, 6))]:
        kinds: list[Kind] = ["post", *draw(st.lists(st.sampled_from(["put", "put", "delete"]), max_size=4))]
        applied[id_] = _written(draw, simulated, id_, kinds)
    puts: list[Kind] = ["put"] * draw(st.integers(0, 2))
    applied["v"] = _written(draw, simulated, "v", ["post"] if last == "post" else ["post", *puts, last], certain=True)
    for number in range(draw(st.integers(0, 8))):
        began, moment, ended = _times(draw, draw(st.integers(0, 60)))
        if number % 2:
            id_ = draw(st.sampled_from(sorted(applied)))
            simulated.operations.append(get(id_, began, ended, state(applied[id_], moment)))
        else:
            moments = {id_: draw(st.integers(int(began), int(ended))) for id_ in applied}
            found = [state(applied[id_], moments[id_]) for id_ in sorted(applied, reverse=True)]
            simulated.operations.append(page(began, ended, *[*filter(None, found)][: draw(st.integers(1, 7))]))
    final = {id_: state(points, LATE) for id_, points in applied.items()}
    simulated.left = {id_: sha256 for id_, sha256 in final.items() if sha256}
    return simulated


def _written(
    draw: st.DrawFn, simulated: Simulation, id_: str, kinds: Sequence[Kind], certain: bool = False
) -> list[Point]:
    """Send one write after the other. Return when each is applied."""
    points: list[Point] = []
    at = 0.0
    for version, kind in enumerate(kinds, 1):
        began, moment, at = _times(draw, at)
        outcomes: list[Outcome] = ["acknowledged"] if certain else ["acknowledged"] * 4 + ["unknown", "failed"]
        each = write(kind, id_, began, at, draw(st.sampled_from(outcomes)), version)
        if each.outcome == "acknowledged" and kind != "post" and state(points, moment) is None:
            each.outcome = "failed" if kind == "put" else "unknown"  # 404
        if each.outcome == "acknowledged":
            points.append((moment, each))
        elif each.outcome == "unknown" and draw(st.booleans()):
            points.append((began + draw(st.integers(0, 60)), each))
        simulated.operations.append(each)
    return points


def _times(draw: st.DrawFn, began: float) -> tuple[float, float, float]:
    """Return a start from `began` on, a moment after it, and an end from there on."""
    first, second, third = (draw(st.integers(0, 9)) for _ in range(3))
    return began + first, began + first + second, began + first + second + third


def state(points: Sequence[Point], at: float) -> str | None:
    """Return the document's sha256 at a time. A replacement of an absent document is without effect."""
    found: str | None = None
    for moment, each in sorted(points, key=lambda point: point[0]):
        if moment <= at:
            found = each.sha256 if each.kind == "post" or (each.kind == "put" and found) else None
    return found


FEWER = settings(max_examples=40)


@pytest.mark.slow
@given(simulations("post") | simulations("put") | simulations("delete"))
def test_correct_service_is_without_a_finding(simulated: Simulation) -> None:
    assert simulated.findings() == {}


@pytest.mark.slow
@FEWER
@given(simulations("post") | simulations("put"))
def test_dropped_document_is_lost(simulated: Simulation) -> None:
    assert simulated.findings(v=None) == {"lost": ("v",)}


@FEWER
@given(simulations("put"), st.integers(1, 9), st.sampled_from(["v1", None]))
def test_old_version_that_is_read_once_is_stale(simulated: Simulation, later: int, seen: str | None) -> None:
    ended = next(each.ended or 0.0 for each in reversed(simulated.operations) if each.kind == "put" and each.id == "v")
    simulated.operations.append(get("v", ended + later, ended + later + 1, seen))
    assert simulated.findings() == {"stale": ("v",)}


@FEWER
@given(simulations("put"))
def test_replacement_that_went_back_is_regressed(simulated: Simulation) -> None:
    assert simulated.findings(v="v1") == {"regressed": ("v",)}


@FEWER
@given(simulations("delete"))
def test_deleted_document_that_is_back_is_resurrected(simulated: Simulation) -> None:
    assert simulated.findings(v="v1") == {"resurrected": ("v",)}


@FEWER
@given(simulations("put"))
def test_changed_document_is_corrupt(simulated: Simulation) -> None:
    assert simulated.findings(v="other") == {"corrupt": ("v",)}


@FEWER
@given(simulations())
def test_document_that_nobody_sent_is_unexpected(simulated: Simulation) -> None:
    assert simulated.findings(z="z1") == {"unexpected": ("z",)}


IDS = st.sets(st.sampled_from("abcdefgh"))


@given(attempted=IDS, acked=IDS, read=IDS)
def test_read_back_of_posts_matches_jepsens_set_checker(attempted: set[str], acked: set[str], read: set[str]) -> None:
    acked &= attempted
    writes = [post(id_, 0, 1, "acknowledged" if id_ in acked else "unknown") for id_ in sorted(attempted)]
    judgement = judge(writes, [end(*(f"{id_}1" for id_ in read))])
    assert set(judgement.lost) == acked - read
    assert set(judgement.unexpected) == read - attempted
    assert set(judgement.recovered) == (read & attempted) - acked
    assert judgement.corrupt == ()


def test_list_says_nothing_of_later_documents_but_of_those_whose_ids_are_out_of_order() -> None:
    early, late = post("c", 0, 1), post("b", 5, 6)  # the id that was sent later is the lower one
    shown = [post("a", 0, 1), early, late]
    assert findings(judge([*shown, page(2, 3, "a1", "c1")])) == {}
    assert findings(judge([*shown, page(7, 8, "a1", "c1")])) == {"stale": ("b",)}
    assert findings(judge([*shown, page(2, 3, "a1")])) == {"stale": ("c",)}
    assert findings(judge([*shown, page(2, 3, "a1", "b1", "c1")])) == {"unexpected": ("b",)}
