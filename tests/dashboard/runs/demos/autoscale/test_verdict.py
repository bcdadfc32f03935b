"""The autoscale verdict: findings that PASS, and for each rule a change that does not."""

from typing import Any

import pytest
from msgspec.structs import replace

from dashboard.runs.demos.autoscale.observed.moments import NAMES
from dashboard.runs.demos.autoscale.verdict import AutoscaleFindings, verdict_of

MOMENTS: dict[str, float | None] = {
    "t0": 0.0, "t1": 18.2, "t2": 21.0, "t3": 27.5, "t4": 29.0, "t5": 95.0, "t6": 96.0, "t7": 170.0, "t8": 176.0,
}  # fmt: skip
FOUND = AutoscaleFindings(
    min=2,
    start=2,
    peak=4,
    target="70 %",
    rate=402.5,
    rates=({"at": 0.0, "rate": 25.0}, {"at": 16.0, "rate": 402.5}),
    due=38_640,
    offered=38_640,
    achieved=38_640,
    lag_p99_ms=1.44,
    cpu_percent=31.0,
    moments=MOMENTS,
    resolution=15.0,
)
UNMET = "By its own CPU value, 133 % of a 70 % target, the autoscaler owed 4 pods instead of 2."


def without(*names: str) -> dict[str, float | None]:
    return {name: None if name in names else at for name, at in MOMENTS.items()}


def test_run_without_a_fault_passes_with_one_line() -> None:
    verdict = verdict_of(FOUND)
    assert (verdict.verdict, verdict.reason) == ("pass", None)
    assert verdict.line == (
        "autoscale PASS min=2 peak=4 rate=402.5 offered=38640 achieved=38640 errors=0 lag_p99=1.4ms"
        " t0=0.0s t1=18.2s t2=21.0s t3=27.5s t4=29.0s t5=95.0s t6=96.0s t7=170.0s t8=176.0s"
    )
    expected = {"min": 2, "start": 2, "peak": 4, "target": "70 %", "rate": 402.5, "lag_p99_ms": 1.44, "t5": 95.0}
    assert verdict.evidence.items() >= expected.items()
    assert verdict.evidence["rates"] == list(FOUND.rates)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"unmet": UNMET, "moments": without("t2", "t3", "t4", "t5")}, "owed 4 pods"),
        ({"errors": 39, "errors_by_kind": {"status": 39}, "errors_of": "new pods"}, "39 of status): new pods"),
        ({"errors": 20_000, "stopped": "Over half of the requests failed."}, "20000 of 38640"),
    ],
)
def test_unmet_obligations_and_errors_fail(change: dict[str, Any], cause: str) -> None:
    verdict = verdict_of(replace(FOUND, **change))
    assert verdict.verdict == "fail"
    assert cause in (verdict.reason or "")
    assert verdict.line.startswith("autoscale FAIL ")


def test_one_failed_request_in_a_thousand_is_allowed() -> None:
    assert verdict_of(replace(FOUND, errors=38)).verdict == "pass"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"lag_p99_ms": 50.1}, "lagged"),
        ({"lag_p99_ms": None}, "reported no figures"),
        ({"achieved": 0}, "reported no figures"),
        ({"cpu_percent": 80.5}, "of its core"),
        ({"dropped": 500}, "thin"),
        ({"offered": 30_000}, "thin"),
        ({"contradiction": "It went from 2 to 4 pods."}, "from 2 to 4"),
        ({"stopped": "Nothing was owed.", "moments": without("t5", "t7", "t8")}, "Nothing was owed."),
        ({"moments": without("t8")}, "(t8)"),
        ({"moments": without(*NAMES)}, "no load"),
    ],
)
def test_each_doubt_makes_the_run_inconclusive(change: dict[str, Any], cause: str) -> None:
    verdict = verdict_of(replace(FOUND, **change))
    assert verdict.verdict == "inconclusive"
    assert cause in (verdict.reason or "")


UNFIT_LOADS = [{"lag_p99_ms": 400.0}, {"cpu_percent": 99.0}, {"dropped": 20_000}]


@pytest.mark.parametrize("unfit", UNFIT_LOADS)
def test_errors_of_an_unfit_load_are_inconclusive(unfit: dict[str, Any]) -> None:
    assert verdict_of(replace(FOUND, **unfit, errors=9_000)).verdict == "inconclusive"


@pytest.mark.parametrize("unfit", UNFIT_LOADS)
def test_unmet_obligation_fails_even_under_an_unfit_load(unfit: dict[str, Any]) -> None:
    verdict = verdict_of(replace(FOUND, **unfit, unmet=UNMET))
    assert (verdict.verdict, verdict.reason) == ("fail", UNMET)


def test_fail_outranks_every_doubt() -> None:
    verdict = verdict_of(replace(FOUND, unmet=UNMET, stopped="Aborted by operator.", contradiction="Somebody scaled."))
    assert (verdict.verdict, verdict.reason) == ("fail", UNMET)


def test_errors_of_an_aborted_run_are_inconclusive() -> None:
    found = replace(FOUND, errors=20_000, stopped="Aborted by operator.", aborted=True)
    assert (verdict_of(found).verdict, verdict_of(found).reason) == ("inconclusive", "Aborted by operator.")


def test_errors_of_an_overloaded_service_are_inconclusive() -> None:
    found = replace(FOUND, errors=500, stopped="More than the service answers in time.", overloaded=True)
    assert verdict_of(found).verdict == "inconclusive"


def test_run_that_ended_before_its_load_has_a_line() -> None:
    verdict = verdict_of(AutoscaleFindings(stopped="There is no autoscaler."))
    assert (verdict.verdict, verdict.reason) == ("inconclusive", "There is no autoscaler.")
    assert verdict.line.startswith("autoscale INCONCLUSIVE min=- peak=- rate=- offered=0 ")
    assert verdict.line.endswith(" t8=-")
    assert verdict_of(AutoscaleFindings()).verdict == "inconclusive"


@pytest.mark.parametrize("change", [{"disturbed": True}, {"contradiction": "Something else sets the number."}])
def test_errors_that_somebodys_change_caused_are_inconclusive_with_that(change: dict[str, Any]) -> None:
    verdict = verdict_of(replace(FOUND, errors=500, stopped="It was rolled out.", **change))
    assert verdict.verdict == "inconclusive" and (verdict.reason or "").startswith("It was rolled out.")
