"""The obligations: when they open, their limits, and whether they are met."""

from typing import Any

import pytest

from dashboard.runs.demos.autoscale.obligations import (
    READY_SECONDS,
    REMOVE_SECONDS,
    SERVE_SECONDS,
    Obligation,
    Obligations,
)
from dashboard.runs.demos.autoscale.observed.observation import Observation
from tests.dashboard.runs.demos.autoscale.observations import START, STARTING, T0, observation, pod

RESOLUTION = 15.0
DECISION_SECONDS = 90.0  # four syncs of the controller and two resolutions


def obligations_after(*observations: Observation, loaded: bool = True) -> Obligations:
    obligations = Obligations(START)
    for each in observations:
        obligations.see(each, RESOLUTION, loaded=loaded)
    return obligations


def scaling_owed(at: float, owed: int | None = 4, **fields: Any) -> Observation:
    """Return an observation of CPU over the target, which owes pods."""
    return observation(at, used=133.0, figure=133, owed=owed, **fields)


def unmet(obligations: Obligations, at: float) -> str | None:
    late = obligations.late(T0 + at)
    return late.what if late else None


def pod_not_ready(at: float, **fields: Any) -> Observation:
    """Return an observation of three desired pods, the third not Ready. `third`: its fields."""
    pods = (pod(0), pod(1), pod(2, **STARTING | fields.pop("third", {})))
    return observation(at, pods=pods, **{"desired": 3, "asked": 3} | fields)


def pod_without_requests(at: float, requests: float | None = 0.0, endpoints: int | None = 2) -> Observation:
    """Return an observation of three Ready pods, the third without requests, and of the Service's endpoints."""
    pods = (pod(0), pod(1), pod(2, requests=requests))
    return observation(at, pods=pods, desired=3, asked=3, endpoints=endpoints)


def surplus_pod(at: float, **fields: Any) -> Observation:
    """Return an observation of two desired pods while three are running."""
    return observation(at, count=3, **{"desired": 2, "asked": 2} | fields)


@pytest.mark.parametrize(
    ("observed", "kind", "limit"),
    [
        (scaling_owed, "scale-up", DECISION_SECONDS),
        (lambda at: observation(at, count=4, figure=5, owed=2), "scale-down", DECISION_SECONDS + 60),
        (lambda at: scaling_owed(at, up_window=180.0), "scale-up", DECISION_SECONDS + 180),
        (pod_not_ready, "ready", READY_SECONDS),
        (lambda at: pod_not_ready(at, progress_deadline=600), "ready", 600),
        (lambda at: pod_not_ready(at, progress_deadline=60), "ready", READY_SECONDS),
        (lambda at: pod_not_ready(at, progress_deadline=600, failure="exceeded quota"), "ready", READY_SECONDS),
        (pod_without_requests, "serve", SERVE_SECONDS),
        (surplus_pod, "remove", REMOVE_SECONDS),
    ],
)
def test_obligation_past_its_limit_is_unmet(observed: Any, kind: str, limit: float) -> None:
    obligations = obligations_after(observed(0), observed(limit))
    assert unmet(obligations, limit) is None and unmet(obligations, limit + 1) == kind
    late = obligations.late(T0 + limit + 1)
    assert late and (late.since, late.by, late.met) == (T0, T0 + limit, None)
    json = obligations_after(observed(0), observed(limit), observed(limit + 1)).to_json()
    assert [(obligation["what"], obligation["met"]) for obligation in json] == [(kind, None)]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (scaling_owed(0), observation(20, count=2, desired=4), "scale-up"),
        (observation(0, count=4, owed=2), observation(20, count=4, desired=3), "scale-down"),
        (pod_not_ready(0), observation(20, count=3), "ready"),
        (pod_without_requests(0), pod_without_requests(20, 8.0), "serve"),
        (surplus_pod(0), observation(20), "remove"),
    ],
)
def test_met_obligation_has_its_time(before: Observation, after: Observation, kind: str) -> None:
    obligations = obligations_after(before, after)
    met = [(obligation.what, obligation.since, obligation.met) for obligation in obligations.met]
    assert [each for each in met if each[0] == kind] == [(kind, T0, T0 + 20)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (scaling_owed(0), scaling_owed(20, None)),
        (scaling_owed(0), scaling_owed(20, active=False)),
        (scaling_owed(0), scaling_owed(20, away="metrics")),
        (pod_not_ready(0), observation(20)),
        (pod_without_requests(0), pod_without_requests(20, None)),
        (surplus_pod(0), surplus_pod(20, away="pods")),
    ],
)
def test_obsolete_obligation_is_dropped(before: Observation, after: Observation) -> None:
    obligations = obligations_after(before, after)
    assert obligations.met == [] and unmet(obligations, 1000) is None


def test_missing_source_restarts_the_limit() -> None:
    obligations = obligations_after(scaling_owed(0), scaling_owed(80, away="metrics"), scaling_owed(81))
    assert unmet(obligations, 81 + DECISION_SECONDS) is None and unmet(obligations, 82 + DECISION_SECONDS) == "scale-up"


def test_progress_restarts_an_obligations_limit() -> None:
    scaled: dict[str, Any] = {"desired": 3, "asked": 3}
    obligations = obligations_after(
        scaling_owed(0), scaling_owed(80, **scaled), scaling_owed(DECISION_SECONDS + 5, **scaled)
    )
    assert unmet(obligations, DECISION_SECONDS + 5) is None
    assert [obligation.what for obligation in obligations.met] == ["scale-up"]


@pytest.mark.parametrize(
    "observed",
    [
        scaling_owed(0, None),
        scaling_owed(0, 2),
        scaling_owed(0, active=False),
        scaling_owed(0, away="horizontalpodautoscalers"),
        pod_not_ready(0, asked=2),
        observation(0, pods=(pod(1), pod(2)), desired=2),
        observation(0, pods=(pod(1), pod(2), pod(0, **STARTING)), desired=3),
        pod_without_requests(0, None),
        pod_without_requests(0, endpoints=3),
        pod_without_requests(0, endpoints=None),
        surplus_pod(0, updated=False),
        surplus_pod(0, asked=3),
        observation(0, pods=(pod(0), pod(1), pod(2, phase="Terminating")), desired=2, asked=2),
    ],
    ids=[
        "no pods owed", "as many pods as owed", "autoscaler not active", "source away", "fewer replicas in the spec",
        "old pod replaced", "old pod starting, new pods Ready", "requests unknown",
        "all pods are endpoints", "endpoints unknown", "rollout",
        "more replicas in the spec", "pod terminating",
    ],
)  # fmt: skip
def test_doubtful_obligation_is_not_opened(observed: Observation) -> None:
    assert unmet(obligations_after(observed), 10_000) is None


def test_pods_owe_no_answers_without_load() -> None:
    assert unmet(obligations_after(pod_without_requests(0), loaded=False), 10_000) is None


def test_old_pods_owe_no_answers() -> None:
    assert unmet(obligations_after(observation(0, pods=(pod(0, requests=0.0), pod(1)))), 10_000) is None


@pytest.mark.parametrize(
    ("third", "fields", "cause"),
    [
        ({"reason": "ImagePullBackOff"}, {}, "ImagePullBackOff"),
        ({"phase": "Running"}, {}, "readiness probe"),
        ({"phase": "Terminating"}, {"failure": "exceeded quota"}, "exceeded quota"),
        ({"phase": "Terminating"}, {}, "not created"),
    ],
)
def test_cause_is_named(third: dict[str, Any], fields: dict[str, Any], cause: str) -> None:
    late = obligations_after(pod_not_ready(0, third=third, **fields)).late(T0 + 1000)
    assert late and cause in late.text


def test_json_of_an_obligation_has_rfc_3339_timestamps() -> None:
    json = Obligation("ready", T0, T0 + 180, "…", T0 + 9).to_json()
    assert (json["since"], json["by"], json["met"]) == (
        "2027-01-15T08:00:00.000Z", "2027-01-15T08:03:00.000Z", "2027-01-15T08:00:09.000Z",
    )  # fmt: skip


def test_pod_that_something_else_has_made_is_no_surplus_and_not_a_new_pod() -> None:
    pods = (pod(0), pod(1), pod(9, stranger=True))
    assert unmet(obligations_after(observation(1, pods=pods, desired=2, asked=2)), REMOVE_SECONDS + 2) is None
    late = obligations_after(observation(1, pods=pods, desired=3, asked=3))
    assert unmet(late, READY_SECONDS + 2) == "ready"


def test_new_pod_that_was_ready_once_has_met_its_obligation() -> None:
    lost = pod_not_ready(40)
    obligations = obligations_after(pod_not_ready(1), observation(20, count=3), lost)
    assert unmet(obligations, READY_SECONDS + 100) is None
    assert [one.what for one in obligations.met] == ["ready"]


def test_pod_of_a_service_without_counters_is_missed_by_the_endpoints() -> None:
    pods = tuple(pod(number, requests=None) for number in range(3))
    seen = observation(1, pods=pods, desired=3, asked=3, endpoints=2, counted=False)
    assert unmet(obligations_after(seen), SERVE_SECONDS + 2) == "serve"


@pytest.mark.parametrize(("desired", "owed", "words"), [(7, 5, "over its max of 5"), (1, 2, "under its min of 2")])
def test_owed_bound_is_named(desired: int, owed: int, words: str) -> None:
    obligations = obligations_after(observation(1, desired=desired, owed=owed))
    late = obligations.late(T0 + 1_000)
    assert late and words in late.text
