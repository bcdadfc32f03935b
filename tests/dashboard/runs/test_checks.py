"""The checks: each claim's own verdict, from the sentences that speak against a pass."""

import pytest
from msgspec.structs import replace

from dashboard.runs.demos.autoscale import verdict as autoscale
from dashboard.runs.demos.autoscale.verdict import AutoscaleFindings
from dashboard.runs.demos.disruption import verdict as disruption
from dashboard.runs.demos.failover import verdict as failover
from dashboard.runs.demos.persistence import verdict as persistence
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.verdict import FieldSentence, Verdict, checks
from dashboard.runs.workload.judgement.judge import Judgement
from tests.dashboard.runs.demos.disruption.histories import HEALING, ROLLOUT
from tests.dashboard.runs.demos.failover.test_verdict import FAILED_OVER
from tests.dashboard.runs.demos.persistence.test_verdict import GRACEFUL, KILL

CLAIMS = (("lost", "Nothing is lost"), ("volume", "The volume is the same"))
FOUND = {"lost": 0, "volume": "same"}
Sentences = tuple[str, ...]
MOMENTS = {f"t{number}": 10.0 * number for number in range(9)}


def verdicts(verdict: Verdict, demo: str = "") -> dict[str, str]:
    claims = [(each.name, each.claim) for each in DEMOS[demo].evidence if each.claim] if demo else CLAIMS
    return {check["name"]: check["verdict"] for check in checks(claims, verdict)}


def persisted(**changes: object) -> Verdict:
    return persistence.verdict_of(replace(GRACEFUL, **changes))


def scaled(**found: object) -> Verdict:
    given = dict(due=9_000, offered=9_000, achieved=9_000, lag_p99_ms=3.0, moments=MOMENTS)
    return autoscale.verdict_of(AutoscaleFindings(**given | found))  # type: ignore[arg-type]


JUDGED = {
    "persistence": persisted,
    "autoscale": scaled,
    "rollout": lambda: disruption.verdict_of("rollout", disruption.findings(ROLLOUT)),
    "self-healing": lambda: disruption.verdict_of("self-healing", disruption.findings(HEALING)),
    "failover": lambda: failover.verdict_of(FAILED_OVER),
}


@pytest.mark.parametrize(
    ("verdict", "found", "failures", "doubts", "expected"),
    [
        ("pass", FOUND, (), (), ("pass", "pass")),
        ("fail", FOUND, (FieldSentence("lost", "3 are lost."),), (), ("fail", "pass")),
        (
            "fail",
            FOUND,
            (FieldSentence("lost", "3 are lost."),),
            (FieldSentence("volume", "?"),),
            ("fail", "inconclusive"),
        ),
        ("fail", FOUND, (FieldSentence("lost", "3 are lost."),), ("Not all was read.",), ("fail", "inconclusive")),
        ("fail", FOUND, ("It is broken.",), (), ("pass", "pass")),
        ("fail", FOUND | {"volume": None}, (FieldSentence("lost", "3 are lost."),), (), ("fail", "inconclusive")),
        ("inconclusive", FOUND, (), ("Aborted.",), ("inconclusive", "inconclusive")),
        ("inconclusive", FOUND, (), (FieldSentence("volume", "?"),), ("inconclusive", "inconclusive")),
    ],
)
def test_claim_passes_only_without_a_doubt_about_it_or_the_run(
    verdict: str, found: dict[str, object], failures: Sentences, doubts: Sentences, expected: tuple[str, str]
) -> None:
    judged = Verdict(verdict, None, found, "", failures, doubts)
    assert tuple(verdicts(judged).values()) == expected


def test_check_has_the_claim_and_all_sentences_about_it() -> None:
    judged = Verdict("fail", None, FOUND, "", (FieldSentence("lost", "One."), "Other.", FieldSentence("lost", "Two.")))
    assert checks(CLAIMS, judged)[0] == {
        "name": "lost", "claim": "Nothing is lost", "verdict": "fail", "reason": "One. Two.",
    }  # fmt: skip


@pytest.mark.parametrize("demo", DEMOS)
def test_each_demo_has_claims_about_fields_of_its_evidence(demo: str) -> None:
    judged = JUDGED[demo]()
    claims = {each.name for each in DEMOS[demo].evidence if each.claim}
    assert len(claims) > 5 and claims <= judged.evidence.keys()


@pytest.mark.parametrize("demo", DEMOS)
def test_every_claim_of_a_pass_passes(demo: str) -> None:
    judged = JUDGED[demo]()
    assert judged.verdict == "pass"
    assert set(verdicts(judged, demo).values()) == {"pass"}


def test_lost_documents_fail_their_claim_only() -> None:
    found = verdicts(persisted(judgement=Judgement(lost=("a", "b"))), "persistence")
    assert found.pop("lost") == "fail" and set(found.values()) == {"pass"}


def test_doubt_about_the_volume_leaves_no_claim_proved() -> None:
    assert set(verdicts(persisted(kills=(replace(KILL, after=None),)), "persistence").values()) == {"inconclusive"}


def test_unmet_obligation_fails_its_claim_and_keeps_the_moments_that_came() -> None:
    moments = {"t0": 0.0, "t1": 20.0, "t2": 40.0}
    found = verdicts(scaled(moments=moments, unmet="No pod came.", stopped="No pod came."), "autoscale")
    assert (found["owed"], found["t2"], found["t3"], found["errors"]) == ("fail", "pass", "inconclusive", "pass")


def test_errors_under_an_invalid_load_are_neither_a_pass_nor_a_fail() -> None:
    judged = scaled(errors=900, lag_p99_ms=80.0, unmet="No pod came.")
    found = verdicts(judged, "autoscale")
    assert (judged.verdict, found["errors"], found["lag_p99_ms"]) == ("fail", "inconclusive", "inconclusive")
    assert verdicts(scaled(errors=900), "autoscale")["errors"] == "fail"
