"""The cases: what counts as met, and that there are enough of them."""

import re

import pytest

from tests.trust.case import AUTOSCALE, BROKEN, FAIL, HEALTHY, INCONCLUSIVE, PASS, PERSISTENCE, Case
from tests.trust.cases import CASES

LOST = Case("", PERSISTENCE, BROKEN, verdicts=(FAIL,), reason="is lost")


@pytest.mark.parametrize(
    ("verdict", "reason", "met"),
    [
        (FAIL, "1 document was acknowledged and is lost", True),
        (FAIL, "The document IS LOST.\nMore.", True),
        (FAIL, "another reason", False),
        (FAIL, None, False),
        (INCONCLUSIVE, "1 document was acknowledged and is lost", False),
        (PASS, None, False),
    ],
)
def test_broken_case_needs_its_verdict_and_its_cause(verdict: str, reason: str | None, met: bool) -> None:
    assert LOST.is_met(verdict, reason) is met


def test_healthy_case_needs_a_pass_and_no_reason() -> None:
    case = Case("", AUTOSCALE, HEALTHY)
    assert case.is_met(PASS, None) and not case.is_met(INCONCLUSIVE, "Aborted") and not case.is_met(FAIL, "late")


@pytest.mark.parametrize("demo", [AUTOSCALE, PERSISTENCE])
@pytest.mark.parametrize("kind", [HEALTHY, BROKEN])
def test_there_are_twelve_cases_of_each_kind(demo: str, kind: str) -> None:
    assert sum((case.demo, case.kind) == (demo, kind) for case in CASES) >= 12


def test_no_two_cases_have_one_name() -> None:
    keys = [(case.demo, case.kind, case.name) for case in CASES]
    assert len(set(keys)) == len(keys)


def test_no_broken_case_may_pass_and_each_names_a_cause() -> None:
    for case in CASES:
        if case.kind == BROKEN:
            assert PASS not in case.verdicts and case.verdicts and re.compile(case.reason) and case.reason, case.name
        else:
            assert case.verdicts == (PASS,) and not case.reason, case.name
