"""The expectations of the cases, and the number of the cases."""

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
def test_broken_case_is_met_by_its_verdict_and_reason(verdict: str, reason: str | None, met: bool) -> None:
    assert LOST.is_met(verdict, reason) is met


def test_healthy_case_is_met_by_a_pass_only() -> None:
    case = Case("", AUTOSCALE, HEALTHY)
    assert case.is_met(PASS, None) and not case.is_met(INCONCLUSIVE, "Aborted") and not case.is_met(FAIL, "late")


@pytest.mark.parametrize("demo", [AUTOSCALE, PERSISTENCE])
@pytest.mark.parametrize("kind", [HEALTHY, BROKEN])
def test_each_kind_has_at_least_twelve_cases(demo: str, kind: str) -> None:
    assert sum((case.demo, case.kind) == (demo, kind) for case in CASES) >= 12


def test_names_are_unique() -> None:
    keys = [(case.demo, case.kind, case.name) for case in CASES]
    assert len(set(keys)) == len(keys)


def test_every_broken_case_excludes_pass_and_requires_a_reason() -> None:
    for case in CASES:
        if case.kind == BROKEN:
            assert PASS not in case.verdicts and case.verdicts and re.compile(case.reason) and case.reason, case.name
        else:
            assert case.verdicts == (PASS,) and not case.reason, case.name
