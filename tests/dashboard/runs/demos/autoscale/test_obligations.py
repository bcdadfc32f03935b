"""When something is owed, until when, and what becomes of it."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.obligations import (
    READY_SECONDS,
    REMOVE_SECONDS,
    SERVE_SECONDS,
    Obligation,
    Obligations,
)
from dashboard.runs.demos.autoscale.observation import Observation
from tests.dashboard.runs.demos.autoscale.observations import ON_ITS_WAY, START, T0, pod, seen

RESOLUTION = 15.0
DECISION_SECONDS = 90.0  # four looks of the controller, and two samples' time


def followed(*observations: Observation, loaded: bool = True) -> Obligations:
    obligations = Obligations(START)
    for one in observations:
        obligations.see(one, RESOLUTION, loaded=loaded)
    return obligations


def owing(at: float, owed: int | None = 4, **more: Any) -> Observation:
    return seen(at, used=133.0, figure=133, owed=owed, **more)


def unmet(obligations: Obligations, at: float) -> str | None:
    found = obligations.late(T0 + at)
    return found.what if found else None


def short(at: float, **more: Any) -> Observation:
    """Three pods are asked for, and the third is not Ready."""
    there = (pod(0), pod(1), pod(2, **ON_ITS_WAY | more.pop("third", {})))
    return seen(at, there=there, **{"desired": 3, "asked": 3} | more)


def idle(at: float, requests: float | None = 0.0, **more: Any) -> Observation:
    return seen(at, there=(pod(0), pod(1), pod(2, requests=requests)), desired=3, asked=3, **more)


def one_too_many(at: float, **more: Any) -> Observation:
    return seen(at, pods=3, **{"desired": 2, "asked": 2} | more)


@pytest.mark.parametrize(
    ("look", "what", "limit"),
    [
        (owing, "scale-up", DECISION_SECONDS),
        (lambda at: seen(at, pods=4, figure=5, owed=2), "scale-down", DECISION_SECONDS + 60),
        (short, "ready", READY_SECONDS),
        (idle, "serve", SERVE_SECONDS),
        (one_too_many, "remove", REMOVE_SECONDS),
    ],
)
def test_obligation_past_its_limit_is_unmet(look: Any, what: str, limit: float) -> None:
    obligations = followed(look(0), look(limit))
    assert unmet(obligations, limit) is None and unmet(obligations, limit + 1) == what
    found = obligations.late(T0 + limit + 1)
    assert found and (found.since, found.by, found.met) == (T0, T0 + limit, None)
    told = followed(look(0), look(limit), look(limit + 1)).to_json()
    assert [(one["what"], one["met"]) for one in told] == [(what, None)]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (owing(0), seen(20, pods=2, desired=4), "scale-up"),
        (seen(0, pods=4, owed=2), seen(20, pods=4, desired=3), "scale-down"),
        (short(0), seen(20, pods=3), "ready"),
        (idle(0), idle(20, 8.0), "serve"),
        (one_too_many(0), seen(20), "remove"),
    ],
)
def test_met_obligation_has_its_time(before: Observation, after: Observation, what: str) -> None:
    obligations = followed(before, after)
    assert [(one.what, one.since, one.met) for one in obligations.met if one.what == what] == [(what, T0, T0 + 20)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (owing(0), owing(20, None)),
        (owing(0), owing(20, active=False)),
        (owing(0), owing(20, away="metrics")),
        (short(0), seen(20)),
        (idle(0), idle(20, None)),
        (one_too_many(0), one_too_many(20, away="pods")),
    ],
)
def test_obsolete_obligation_is_dropped(before: Observation, after: Observation) -> None:
    obligations = followed(before, after)
    assert obligations.met == [] and unmet(obligations, 1000) is None


def test_after_a_break_the_limit_begins_anew() -> None:
    obligations = followed(owing(0), owing(80, away="metrics"), owing(81))
    assert unmet(obligations, 81 + DECISION_SECONDS) is None and unmet(obligations, 82 + DECISION_SECONDS) == "scale-up"


def test_progress_restarts_an_obligations_limit() -> None:
    obligations = followed(owing(0), owing(80, desired=3, asked=3), owing(DECISION_SECONDS + 5, desired=3, asked=3))
    assert unmet(obligations, DECISION_SECONDS + 5) is None
    assert [one.what for one in obligations.met] == ["scale-up"]


@pytest.mark.parametrize(
    "seen_then",
    [
        owing(0, None),
        owing(0, 2),
        owing(0, active=False),
        owing(0, away="horizontalpodautoscalers"),
        short(0, asked=2),
        seen(0, there=(pod(1), pod(2)), desired=2),
        seen(0, there=(pod(1), pod(2), pod(0, **ON_ITS_WAY)), desired=3),
        idle(0, None),
        one_too_many(0, updated=False),
        one_too_many(0, asked=3),
        seen(0, there=(pod(0), pod(1), pod(2, phase="Terminating")), desired=2, asked=2),
    ],
    ids=[
        "nothing owed", "as many as asked for", "not active", "a source away", "somebody asks for fewer",
        "an old pod was replaced", "an old pod went and the new ones are there", "traffic unknown", "a roll-out",
        "somebody asks for more", "it ends already",
    ],
)  # fmt: skip
def test_doubtful_obligation_is_not_opened(seen_then: Observation) -> None:
    assert unmet(followed(seen_then), 10_000) is None


def test_without_load_no_pod_owes_answers() -> None:
    assert unmet(followed(idle(0), loaded=False), 10_000) is None


def test_pods_of_before_owe_no_answers() -> None:
    assert unmet(followed(seen(0, there=(pod(0, requests=0.0), pod(1)))), 10_000) is None


@pytest.mark.parametrize(
    ("third", "more", "words"),
    [
        ({"reason": "ImagePullBackOff"}, {}, "ImagePullBackOff"),
        ({"phase": "Running"}, {}, "readiness probe"),
        ({"phase": "Terminating"}, {"failure": "exceeded quota"}, "exceeded quota"),
        ({"phase": "Terminating"}, {}, "not created"),
    ],
)
def test_cause_is_named(third: dict[str, Any], more: dict[str, Any], words: str) -> None:
    found = followed(short(0, third=third, **more)).late(T0 + 1000)
    assert found and words in found.text


def test_obligation_is_told_with_moments_that_a_reader_can_check() -> None:
    told = Obligation("ready", T0, T0 + 180, "…", T0 + 9).to_json()
    assert (told["since"], told["by"], told["met"]) == (
        "2027-01-15T08:00:00.000Z", "2027-01-15T08:03:00.000Z", "2027-01-15T08:00:09.000Z",
    )  # fmt: skip
