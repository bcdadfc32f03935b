"""The end of a rotation."""

import pytest

from tools.cluster.errors import ClusterError
from tools.deploy import rotation

LOG = """\
{"time": "2026-11-27T10:00:00Z", "event": "created user", "user": "service-b"}
an interpreter's warning
{"time": "2026-11-27T10:01:00Z", "event": "dropped user", "user": "service"}
"""


def test_dropped_users_are_read_from_the_log() -> None:
    assert rotation.dropped(LOG) == {"service"}
    assert rotation.dropped("") == set()


def test_user_that_is_not_dropped_is_an_error_that_names_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "_run", lambda *_: LOG)
    monkeypatch.setattr(rotation, "POLL", 0.001)
    rotation.wait_until_dropped(("kubectl",), {"service"}, lambda _: None, limit=0.01)
    with pytest.raises(ClusterError, match="--container sidecar"):
        rotation.wait_until_dropped(("kubectl",), {"service", "dashboard"}, lambda _: None, limit=0.01)
