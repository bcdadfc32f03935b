"""The sidecar's metrics, from what mongod answers."""

from __future__ import annotations

import datetime as dt
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.sidecar.figures import exposition
from service.sidecar.probes import ProbeServer, SidecarProbes
from service.sidecar.scale import Replicas
from tests.service.exposition import MEMBER, NOON, figures
from tools.local.mongod import free_port

Json = dict[str, Any]


def members(own: str, behind: float) -> Json:
    """Return what replSetGetStatus says: another member is primary, and this one is so many seconds behind."""
    late = NOON - dt.timedelta(seconds=behind)
    return {
        "myState": 2,
        "members": [
            {"stateStr": "PRIMARY", "optimeDate": NOON}, {"stateStr": own, "optimeDate": late, "self": True},
        ],
    }  # fmt: skip


def answers(status: Json) -> dict[str, Json]:
    return MEMBER | {"replSetGetStatus": status}


@pytest.mark.parametrize(("behind", "lag"), [(7.5, 7.5), (0, 0), (-1, 0)])  # the primary's own news may be older
def test_lag_is_the_time_from_the_primarys_last_write_to_its_own(behind: float, lag: float) -> None:
    found = figures(exposition(answers(members("SECONDARY", behind)).get))
    assert found["mongodb_member_lag_seconds"] == lag
    assert found["mongodb_member_sees_primary"] == 1
    assert found["mongodb_set_members"] == 2


def test_lag_is_left_out_without_a_primary_or_the_data() -> None:
    without = members("SECONDARY", 0)
    without["members"][0]["stateStr"] = "(not reachable/healthy)"
    for answer in (without, members("STARTUP2", 5)):
        assert "mongodb_member_lag_seconds" not in figures(exposition(answers(answer).get))
    assert figures(exposition(answers(without).get))["mongodb_member_sees_primary"] == 0


def test_mongod_that_does_not_answer_is_down_and_has_no_other_figure() -> None:
    assert figures(exposition(lambda command: None)) == {"mongodb_member_up": 0}


def test_one_scrape_at_a_time_and_a_fault_of_it_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    asked, answered = threading.Event(), threading.Event()

    def metrics() -> bytes:
        asked.set()
        answered.wait(30)
        raise KeyError("opcounters")

    port = free_port()
    probes = SidecarProbes(lambda: None, lambda: Replicas(1, 1), 0)
    server = ProbeServer(port, probes, metrics)
    server.start()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(status, port)
        assert asked.wait(30)
        assert status(port) == 503
        assert status(port, "/readyz") == 503  # mongod does not answer: the probe does
        answered.set()
        assert first.result() == 0
    assert '"error":"KeyError: \'opcounters\'"' in capsys.readouterr().out
    server.shutdown()
    server.server_close()


def status(port: int, path: str = "/metrics") -> int:
    """Return the status of an answer, 0 without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
