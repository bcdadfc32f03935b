"""What becomes of a step, by its exit status and output."""

import pytest

from tests.hosts.machine import Done
from tests.hosts.plan import Step
from tests.hosts.results import FAILED, INCONCLUSIVE, OK, REFUSED
from tests.hosts.trial import outcome

UP = Step("make up", ("make up",), expected="dashboard http")
PROVE = Step("make prove", ("make prove",))
VERDICTS = "autoscale INCONCLUSIVE min=2\npersistence PASS lost=0"


@pytest.mark.parametrize(("status", "output", "expected"), [
    (0, "dashboard http://…", OK), (0, "nothing", FAILED), (2, "dashboard http://…", FAILED),
])  # fmt: skip
def test_step_needs_its_status_and_its_output(status: int, output: str, expected: str) -> None:
    assert outcome(UP, Done(status, output, 1.0)).outcome == expected


@pytest.mark.parametrize(("status", "output", "expected"), [
    (0, VERDICTS, OK), (2, VERDICTS, INCONCLUSIVE), (1, VERDICTS, FAILED), (2, "No such deployment.", FAILED),
    (124, VERDICTS, FAILED),
])  # fmt: skip
def test_proof_without_a_verdict_has_failed(status: int, output: str, expected: str) -> None:
    assert outcome(PROVE, Done(status, f"progress\n{output}\n", 1.0)).outcome == expected


def test_verdict_lines_are_kept() -> None:
    detail = outcome(PROVE, Done(2, f"{VERDICTS}\nreport written\n", 1.0)).detail
    assert detail == "autoscale INCONCLUSIVE min=2; persistence PASS lost=0"


@pytest.mark.parametrize(("status", "output", "expected"), [
    (2, "The processor has no AVX.\n", REFUSED), (2, "no disk", FAILED), (0, "dashboard http://…AVX", FAILED),
])  # fmt: skip
def test_machine_that_must_be_refused_needs_the_reason(status: int, output: str, expected: str) -> None:
    assert outcome(UP, Done(status, output, 1.0), refusal="AVX").outcome == expected
