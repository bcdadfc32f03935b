"""The simulated traffic's histogram."""

import math

from dashboard.mock.traffic import BOUNDS
from service.metrics import REQUEST_BUCKETS


def test_buckets_are_those_of_the_service() -> None:
    assert list(BOUNDS) == [*REQUEST_BUCKETS, math.inf]
