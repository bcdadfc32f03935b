"""The factor of all limits."""

import pytest

from tools.cluster.errors import HostError
from tools.cluster.patience import patient


@pytest.mark.parametrize(("value", "limit"), [("", 120.0), ("1", 120.0), ("2.5", 300.0), ("100", 12_000.0)])
def test_limits_are_multiplied(value: str, limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATIENCE", value)
    assert patient(120.0) == limit


@pytest.mark.parametrize("value", ["0", "0.5", "-1", "101", "nan", "inf", "long"])
def test_value_that_is_no_factor_is_an_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATIENCE", value)
    with pytest.raises(HostError, match=f"PATIENCE={value} "):
        patient(120.0)
