"""The next change of a replica set's members, from its configuration and the members' states. Pure.

The rules, in this order. Each change is a reconfiguration by at most one voting member, as MongoDB demands:

    wiped       a member that lost its data loses its vote until it has the data again: it has forgotten what it
                acknowledged, and could elect a primary that lacks it
    leaving     a member that is not wanted is removed: first one that does not answer, then one that recovers, then the
                last one. A primary that is not wanted steps down when it alone is left to go, and its successor
                removes it
    ready       a new member gets its vote when it is SECONDARY and the votes stay odd, at once or with the next change
    even        of an even number of wanted members one has no vote: two votes would stop with either member
    timeout     several members elect another primary after three seconds, not ten: a request waits for it
    missing     a wanted member that answers is added, without a vote

While a voter recovers it keeps its vote, and no other vote changes: the majority may need it next. MongoDB takes seven
votes and fifty members at most: further members have no vote, and more are not added.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]  # as replSetGetConfig gives it
Member = dict[str, Any]

SECONDARY, INITIAL_SYNC = "SECONDARY", "STARTUP2"
RECOVERING = {"RECOVERING", "ROLLBACK", INITIAL_SYNC}  # it answers, and does not have all that it acknowledged yet
MOST_VOTES, MOST_MEMBERS = 7, 50  # of a set, by MongoDB's rule
ELECTION_MS = 3000  # without a sign of the primary; a vote that is split takes as long again, within the deadline


class Waiting(Exception):
    """Nothing can be done before another event, which the message names."""


@dataclass(frozen=True)
class MemberState:
    """A member as the primary sees it."""

    name: str  # PRIMARY, SECONDARY, STARTUP2, …
    answers: bool
    empty: bool  # it has no data: it never had, or it lost them


@dataclass(frozen=True)
class Reconfiguration:
    """A configuration to apply, and what it does to which member."""

    config: Config
    what: str
    member: str


@dataclass(frozen=True)
class StepDown:
    """The primary is to let another member be elected."""


Change = Reconfiguration | StepDown
AWAY = MemberState("UNKNOWN", answers=False, empty=False)


def states(status: Mapping[str, Any]) -> dict[str, MemberState]:
    """Return {host: state} from the answer of replSetGetStatus."""
    return {
        each["name"]: MemberState(
            each["stateStr"],
            answers=each["health"] == 1,
            empty=each["stateStr"] == INITIAL_SYNC and "optime" in each and not each["optime"]["ts"].time,
        )
        for each in status["members"]
    }


def next_change(
    config: Config, known: Mapping[str, MemberState], wanted: Sequence[str], me: str, reachable: frozenset[str]
) -> Change | None:
    """Return the primary's next change, or None if all is as wanted. Raise Waiting.

    `me` is the primary's own host. `reachable` are the missing members that answer and have no set of their own.
    """
    change = _next_change(config, known, wanted, me, reachable)
    recovering = {each["host"] for each in _voters(config) if _recovers(known, each)}
    if isinstance(change, Reconfiguration):
        before, after = _votes(config), _votes(change.config)
        # Of two that recover neither vote changes, for each is another's.
        recovering = recovering - (before ^ after) if before != after else set()
    if recovering and not isinstance(change, StepDown):
        raise Waiting(f"{min(recovering)} has a vote and still recovers")
    return change


def _next_change(
    config: Config, known: Mapping[str, MemberState], wanted: Sequence[str], me: str, reachable: frozenset[str]
) -> Change | None:
    members, voters = config["members"], _voters(config)
    if wiped := [each for each in voters if _state(known, each).empty]:
        return _voting(config, wiped[0], 0, "took vote")
    if leaving := [each for each in members if each["host"] not in wanted]:
        return _removal(config, known, leaving, me)
    ready = _newcomers(config, members, known)
    if ready and (len(voters) % 2 == 0 or len(ready) > 1):
        return _voting(config, ready[0], 1, "gave vote")
    if len(wanted) % 2 == 0 and len(voters) == len(wanted):
        return _voting(config, [each for each in voters if each["host"] != me][-1], 0, "took vote")
    if len(wanted) > 1 and config["settings"]["electionTimeoutMillis"] != ELECTION_MS:
        return _timing(config)
    hosts = {each["host"] for each in members}
    if missing := [each for each in wanted if each not in hosts]:
        if len(wanted) > MOST_MEMBERS:
            raise Waiting(f"{len(wanted)} members are wanted, and MongoDB takes {MOST_MEMBERS} at most: ask for fewer")
        if not (there := [each for each in missing if each in reachable]):
            raise Waiting(f"{missing[0]} does not answer yet")
        return _addition(config, there[0])
    if behind := [each["host"] for each in members if not each["votes"] and _state(known, each).name != SECONDARY]:
        raise Waiting(f"{behind[0]} is no SECONDARY yet")
    return None


def _removal(config: Config, known: Mapping[str, MemberState], leaving: list[Member], me: str) -> Change:
    others = [each for each in leaving if each["host"] != me]
    if others:
        gone = max(others, key=lambda each: (not _state(known, each).answers, _recovers(known, each), each["_id"]))
        changed = _successor(config)
        changed["members"] = [each for each in changed["members"] if each["_id"] != gone["_id"]]
        return Reconfiguration(changed, "removed member", gone["host"])
    staying = [each for each in config["members"] if each["host"] != me]
    if any(each["priority"] and _state(known, each).name == SECONDARY for each in staying):
        return StepDown()
    if ready := _newcomers(config, staying, known):
        return _voting(config, ready[0], 1, "gave vote")
    raise Waiting("this primary is to go, and no other member can take its place yet")


def _newcomers(config: Config, members: list[Member], known: Mapping[str, MemberState]) -> list[Member]:
    """Return those of the members that may get a vote: they have the data, and there are votes left to give.

    A hidden one was made so by hand, and stays so.
    """
    if len(_voters(config)) >= MOST_VOTES:
        return []
    return [each for each in members if not (each["votes"] or each["hidden"]) and _state(known, each).name == SECONDARY]


def _voting(config: Config, member: Member, votes: int, what: str) -> Reconfiguration:
    changed = _successor(config)
    for each in changed["members"]:
        if each["_id"] == member["_id"]:
            each.update(votes=votes, priority=votes)
    return Reconfiguration(changed, what, member["host"])


def _addition(config: Config, host: str) -> Reconfiguration:
    changed = _successor(config)
    number = max(each["_id"] for each in changed["members"]) + 1
    changed["members"].append({"_id": number, "host": host, "votes": 0, "priority": 0})
    return Reconfiguration(changed, "added member", host)


def _timing(config: Config) -> Reconfiguration:
    changed = _successor(config)
    changed["settings"]["electionTimeoutMillis"] = ELECTION_MS
    return Reconfiguration(changed, "set election timeout", "")


def _successor(config: Config) -> Config:
    """Return a copy with the next version: MongoDB refuses it if another change came first."""
    return copy.deepcopy(config) | {"version": config["version"] + 1}


def _state(known: Mapping[str, MemberState], member: Member) -> MemberState:
    return known.get(member["host"], AWAY)


def _recovers(known: Mapping[str, MemberState], member: Member) -> bool:
    """Return whether it is on its way to SECONDARY with its data. One without data is no voter for long: see wiped."""
    state = _state(known, member)
    return bool(member["votes"]) and state.answers and not state.empty and state.name in RECOVERING


def _voters(config: Config) -> list[Member]:
    return [each for each in config["members"] if each["votes"]]


def _votes(config: Config) -> set[str]:
    return {each["host"] for each in _voters(config)}
