"""The bound of the failure rate, and its sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core.state.confidence import sentences, upper_bound


@pytest.mark.parametrize(
    ("runs", "failed", "bound"),
    [
        (1, 0, 0.95), (17, 0, 0.1616), (59, 0, 0.0495), (299, 0, 0.00997),
        (10, 1, 0.3942), (20, 1, 0.2161), (20, 3, 0.3437),  # from the tables of Clopper and Pearson's bound
        (0, 0, 1.0), (4, 4, 1.0),
    ],
)  # fmt: skip
def test_bound_is_the_exact_one(runs: int, failed: int, bound: float) -> None:
    assert upper_bound(runs, failed) == pytest.approx(bound, abs=5e-5)


@given(st.integers(20, 5_000))
def test_bound_without_failures_is_close_to_the_rule_of_three(runs: int) -> None:
    assert 0.92 * 3 / runs < upper_bound(runs) < 3 / runs


@pytest.mark.slow
@given(st.integers(1, 200), st.data())
def test_bound_is_over_the_observed_share_and_grows_with_failures(runs: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, runs - 1))
    assert failed / runs < upper_bound(runs, failed) <= upper_bound(runs, failed + 1)
    assert upper_bound(runs, failed) < upper_bound(runs, failed, 0.99)


@pytest.mark.parametrize(("runs", "failed", "confidence"), [(3, 4, 0.95), (3, -1, 0.95), (3, 0, 1.0), (3, 0, 0.0)])
def test_impossible_counts_are_refused(runs: int, failed: int, confidence: float) -> None:
    with pytest.raises(ValueError):
        upper_bound(runs, failed, confidence)


@pytest.mark.parametrize(
    ("verdicts", "counted", "percent"),
    [
        ({"pass": 17}, "17 of 17 passed:", "17 %"),  # 16.2, rounded up
        ({"pass": 9, "fail": 1, "inconclusive": 2}, "9 of 10 passed, 2 inconclusive:", "40 %"),
        ({"pass": 5}, "5 of 5 passed:", "46 %"),
        ({"pass": 4}, "4 of 4 passed: too few to tell how often such a run fails.", None),
        ({"fail": 2}, "0 of 2 passed.", None),
        ({"inconclusive": 3, "running": 1}, "0 of 0 passed, 3 inconclusive.", None),
    ],
)
def test_sentence_counts_the_runs_with_a_verdict(verdicts: dict[str, int], counted: str, percent: str | None) -> None:
    runs = [{"demo": "a", "verdict": word} for word, times in verdicts.items() for _ in range(times)]
    sentence = sentences(runs)["a"]
    assert sentence.startswith(counted)
    assert (percent in sentence) if percent else sentence == counted


def test_each_demo_with_an_ended_run_has_a_sentence() -> None:
    runs = [{"demo": "a", "verdict": "pass"}, {"demo": "b", "verdict": "fail"}, {"demo": "c", "verdict": "running"}]
    assert sentences(runs).keys() == {"a", "b"} and sentences([]) == {}
