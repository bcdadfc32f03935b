"""The run manager in virtual time, for all tests of runs."""

import pytest

from tests.dashboard.runs.harness import RunHarness


@pytest.fixture
def harness() -> RunHarness:
    return RunHarness()
