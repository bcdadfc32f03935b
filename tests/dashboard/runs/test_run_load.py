"""The load of a run: when it counts as failing."""

from dashboard.load.options import LoadTotals
from dashboard.runs.run_load import FAILING_SECONDS, Failing


def test_load_is_failing_after_ten_seconds_with_over_half_of_the_requests_failed() -> None:
    failing = Failing()
    results = [failing.see(LoadTotals(achieved=10 * at, errors=6 * at), float(at)) for at in range(1, 14)]
    assert results.index(True) == FAILING_SECONDS
    assert not any(Failing().see(LoadTotals(achieved=10 * at, errors=5 * at), float(at)) for at in range(1, 30))
