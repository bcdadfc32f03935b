"""The changes of a replica set's members, on configurations without a MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from service.sidecar import membership
from service.sidecar.membership import (
    AWAY,
    ELECTION_MS,
    Change,
    Config,
    MemberState,
    Reconfiguration,
    StepDown,
    Waiting,
    next_change,
)

HOSTS = tuple(f"mongodb-{ordinal}" for ordinal in range(60))
UP = MemberState("SECONDARY", answers=True, empty=False)
SYNCING = MemberState("STARTUP2", answers=True, empty=True)
STARTING = MemberState("STARTUP2", answers=True, empty=False)
UNSETTLED = [STARTING, *(MemberState(name, answers=True, empty=False) for name in ("RECOVERING", "ROLLBACK"))]


def config(*votes: int, timeout: int = ELECTION_MS) -> Config:
    """Return the configuration of the first members with these votes."""
    members = [
        {"_id": number, "host": host, "votes": vote, "priority": vote, "hidden": False}
        for number, (host, vote) in enumerate(zip(HOSTS, votes, strict=False))
    ]
    return {"version": 5, "members": members, "settings": {"electionTimeoutMillis": timeout}}


def change(
    votes: Sequence[int], wanted: int, states: Sequence[MemberState] = (), me: int = 0, reachable: Sequence[int] = ()
) -> Change | None:
    known = dict(zip(HOSTS, states or [UP] * len(votes), strict=False))
    return next_change(config(*votes), known, HOSTS[:wanted], HOSTS[me], frozenset(HOSTS[each] for each in reachable))


def done(made: Change | None) -> tuple[str, str]:
    assert isinstance(made, Reconfiguration) and made.config["version"] == 6
    return made.what, made.member


def test_member_is_added_without_a_vote_once_it_answers() -> None:
    with pytest.raises(Waiting):
        change([1], 3)
    made = change([1], 3, reachable=[1, 2])
    assert done(made) == ("added member", "mongodb-1")
    assert isinstance(made, Reconfiguration)
    assert [(each["votes"], each["priority"]) for each in made.config["members"]] == [(1, 1), (0, 0)]


def test_two_new_members_get_their_votes_together_since_two_votes_are_weaker_than_one() -> None:
    assert done(change([1, 0], 3, reachable=[2])) == ("added member", "mongodb-2")
    with pytest.raises(Waiting):
        change([1, 0, 0], 3, [UP, UP, SYNCING])
    assert done(change([1, 0, 0], 3)) == ("gave vote", "mongodb-1")
    assert done(change([1, 1, 0], 3)) == ("gave vote", "mongodb-2")
    assert change([1, 1, 1], 3) is None


def test_of_two_wanted_members_one_has_a_vote() -> None:
    assert change([1, 0], 2) is None
    assert done(change([1, 1], 2)) == ("took vote", "mongodb-1")
    assert done(change([1, 1], 2, me=1)) == ("took vote", "mongodb-0")


def test_members_are_removed_one_at_a_time_the_last_first() -> None:
    assert done(change([1, 1, 1], 1)) == ("removed member", "mongodb-2")
    assert done(change([1, 1], 1)) == ("removed member", "mongodb-1")
    assert change([1], 1) is None


def test_member_that_does_not_answer_is_removed_first_while_the_others_are_a_majority() -> None:
    assert done(change([1, 1, 1], 1, [UP, AWAY, UP])) == ("removed member", "mongodb-1")


def test_primary_that_is_to_go_steps_down_after_the_others_went() -> None:
    assert done(change([1, 1, 1], 1, me=2)) == ("removed member", "mongodb-1")
    assert change([1, 1, 1], 2, me=2) == StepDown()


def test_primary_that_is_to_go_first_gives_a_successor_its_vote() -> None:
    assert done(change([0, 1], 1, me=1)) == ("gave vote", "mongodb-0")
    with pytest.raises(Waiting):
        change([0, 1], 1, [SYNCING, UP], me=1)
    with pytest.raises(Waiting):
        change([1, 1], 1, [AWAY, UP], me=1)


def test_member_that_lost_its_data_has_no_vote_until_it_has_them_again() -> None:
    assert done(change([1, 1, 1], 3, [UP, SYNCING, UP])) == ("took vote", "mongodb-1")
    with pytest.raises(Waiting):
        change([1, 0, 1], 3, [UP, SYNCING, UP])
    assert done(change([1, 0, 1], 3)) == ("gave vote", "mongodb-1")


def test_member_that_restarts_with_its_data_or_is_away_keeps_its_vote() -> None:
    for state in UNSETTLED:
        with pytest.raises(Waiting, match="mongodb-1"):  # no change takes its vote, and it is not settled either
            change([1, 1, 1], 3, [UP, state, UP])
    assert change([1, 1, 1], 3, [UP, AWAY, UP]) is None


@pytest.mark.parametrize("state", UNSETTLED)
def test_no_other_vote_changes_while_a_voter_recovers(state: MemberState) -> None:
    for votes, wanted, states in (
        ([1, 1, 0, 0], 4, [UP, state, UP, UP]),  # one to give
        ([1, 1, 1, 1], 4, [UP, state, UP, UP]),  # one to take
        ([1, 1, 1], 2, [UP, state, UP]),  # a voter to remove
        ([1, 1, 1], 3, [UP, state, SYNCING]),  # one that lost its data
    ):
        with pytest.raises(Waiting, match="mongodb-1"):
            change(votes, wanted, states)


def test_voter_that_recovers_may_itself_go_and_members_without_a_vote_come_and_go() -> None:
    for state in UNSETTLED:
        assert done(change([1, 1, 1], 1, [UP, state, UP])) == ("removed member", "mongodb-1")
        assert done(change([1, 1, 1, 0], 3, [UP, state, UP, UP])) == ("removed member", "mongodb-3")
        assert done(change([1, 1], 3, [UP, state], reachable=[2])) == ("added member", "mongodb-2")


def test_member_that_lost_its_data_loses_its_vote_before_another_voter_is_removed() -> None:
    assert done(change([1, 1, 1], 2, [UP, SYNCING, UP])) == ("took vote", "mongodb-1")
    assert done(change([1, 0, 1], 2, [UP, SYNCING, UP])) == ("removed member", "mongodb-2")


def test_seven_members_vote_at_most() -> None:
    assert done(change([1] * 6 + [0] * 2, 8)) == ("gave vote", "mongodb-6")
    assert change([1] * 7 + [0] * 2, 9) is None
    assert done(change([1] * 7, 9, reachable=[7])) == ("added member", "mongodb-7")
    with pytest.raises(Waiting):
        change([1] * 6 + [0, 1], 7, [AWAY] * 6 + [UP, UP], me=7)


def test_more_than_fifty_members_are_refused() -> None:
    votes = [1] * 7 + [0] * 43
    assert change(votes, 50) is None
    with pytest.raises(Waiting, match=r"51 members are wanted, and MongoDB takes 50 at most"):
        change(votes, 51, reachable=[50])


def test_several_members_elect_sooner_than_mongodb_does_by_default() -> None:
    made = next_change(config(1, timeout=10_000), {}, HOSTS[:3], HOSTS[0], frozenset(HOSTS))
    assert isinstance(made, Reconfiguration)
    assert made.config["settings"] == {"electionTimeoutMillis": ELECTION_MS}
    assert made.config["members"] == config(1)["members"]
    assert next_change(config(1, timeout=10_000), {}, HOSTS[:1], HOSTS[0], frozenset(HOSTS)) is None


def test_states_tell_a_member_without_data_from_one_that_restarts() -> None:
    def member(state: str, health: float, time: int) -> dict[str, Any]:
        return {"name": "m", "stateStr": state, "health": health, "optime": {"ts": Timestamp(time, 0), "t": 1}}

    for state, time, empty in (("STARTUP2", 0, True), ("STARTUP2", 7, False), ("SECONDARY", 7, False)):
        assert membership.states({"members": [member(state, 1.0, time)]})["m"].empty is empty
    assert not membership.states({"members": [member("(not reachable/healthy)", 0.0, 0)]})["m"].answers


@given(
    st.lists(st.integers(0, 1), min_size=1, max_size=4),
    st.integers(1, 4),
    st.lists(st.sampled_from([UP, SYNCING, AWAY, *UNSETTLED]), min_size=4, max_size=4),
    st.integers(0, 3),
    st.frozensets(st.integers(0, 3)),
)
def test_any_change_moves_one_vote_at_most_and_keeps_the_primary(
    votes: list[int], wanted: int, states: list[MemberState], me: int, reachable: frozenset[int]
) -> None:
    me %= len(votes)
    votes[me], states[me] = 1, UP
    before = {each["host"]: each["votes"] for each in config(*votes)["members"]}
    try:
        made = change(votes, wanted, states, me, tuple(reachable))
    except Waiting:
        return
    if not isinstance(made, Reconfiguration):
        return
    after = {each["host"]: each["votes"] for each in made.config["members"]}
    moved = [host for host in HOSTS if before.get(host, 0) != after.get(host, 0)]
    recovering = {host for host, state in zip(HOSTS, states, strict=False) if state in UNSETTLED and before.get(host)}
    assert not moved or recovering <= {*moved}
    assert len(moved) <= 1 and len(before.keys() ^ after.keys()) <= 1
    assert after[HOSTS[me]] == 1
    assert after != before
    added = after.keys() - before.keys()
    assert all(not after[host] and HOSTS.index(host) in reachable for host in added)
    for host in moved:
        if after.get(host):
            assert states[HOSTS.index(host)] == UP


@given(st.lists(st.integers(1, 10), min_size=1, max_size=6), st.integers(0, 3))
def test_changes_end_with_the_wanted_members_and_an_odd_number_of_votes(counts: list[int], primary: int) -> None:
    current = config(1)
    me = HOSTS[0]
    for wanted in [*counts, counts[-1]]:
        for _ in range(60):
            known = {each["host"]: UP for each in current["members"]}
            made = next_change(current, known, HOSTS[:wanted], me, frozenset(HOSTS))
            if made is None:
                break
            if isinstance(made, StepDown):
                me = next(each["host"] for each in current["members"] if each["priority"] and each["host"] != me)
            else:
                current = made.config
                for each in current["members"]:
                    each.setdefault("hidden", False)
        else:
            raise AssertionError("no end")
        assert sorted(each["host"] for each in current["members"]) == list(HOSTS[:wanted])
        assert sum(each["votes"] for each in current["members"]) == min(7, wanted if wanted % 2 else wanted - 1)
        electable = [each["host"] for each in current["members"] if each["priority"]]
        me = electable[primary % len(electable)]
