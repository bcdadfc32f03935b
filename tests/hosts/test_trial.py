"""What becomes of a step, by its exit status and output."""

import pytest

from tests.hosts.machine import Done
from tests.hosts.plan import Step
from tests.hosts.results import FAILED, INCONCLUSIVE, OK, REFUSED
from tests.hosts.trial import outcome

UP = Step("make up", ("make up",), expected="dashboard http")
PROVE = Step("make prove", ("make prove",))


@pytest.mark.parametrize(("status", "output", "expected"), [
    (0, "dashboard http://…", OK), (0, "nothing", FAILED), (2, "dashboard http://…", FAILED),
])  # fmt: skip
def test_step_needs_its_status_and_its_output(status: int, output: str, expected: str) -> None:
    assert outcome(UP, Done(status, output, 1.0)).outcome == expected


@pytest.mark.parametrize(("output", "expected"), [
    ("autoscale PASS min=2\npersistence PASS lost=0", OK),
    ("autoscale INCONCLUSIVE min=2\npersistence PASS lost=0", INCONCLUSIVE),
    ("autoscale INCONCLUSIVE min=2\npersistence FAIL lost=1", FAILED),
    ("autoscale PASS min=2\nNo such deployment.", FAILED),
    ("No such deployment.", FAILED),
])  # fmt: skip
def test_proof_needs_the_verdicts_of_all_demos(output: str, expected: str) -> None:
    others = "rollout PASS pods=2\nself-healing PASS pods=2"
    assert outcome(PROVE, Done(2, f"progress\n{output}\n{others}\nreport written\n", 1.0)).outcome == expected


def test_verdict_lines_are_kept() -> None:
    detail = outcome(PROVE, Done(2, "autoscale INCONCLUSIVE min=2\nx\nself-healing PASS lost=0\n", 1.0)).detail
    assert detail == "autoscale INCONCLUSIVE min=2; self-healing PASS lost=0"


@pytest.mark.parametrize(("status", "output", "expected"), [
    (2, "The processor has no AVX.\n", REFUSED), (2, "no disk", FAILED), (0, "dashboard http://…AVX", FAILED),
])  # fmt: skip
def test_machine_that_must_be_refused_needs_the_reason(status: int, output: str, expected: str) -> None:
    assert outcome(UP, Done(status, output, 1.0), refusal="AVX").outcome == expected


def test_refusal_is_kept_without_what_make_adds() -> None:
    done = Done(2, "The processor has no AVX.\nmake: *** Error 1\n", 1.0)
    assert outcome(UP, done, refusal="AVX").detail == "The processor has no AVX."
