"""The sidecar's metrics, from what mongod answers."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from service.sidecar.figures import exposition
from tests.service.exposition import MEMBER, NOON, figures

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
