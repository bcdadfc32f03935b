"""A reconstruction of the history that the autoscaler's controller keeps in memory.

The controller syncs every 15 s. It remembers the recommendation of each sync and the times of its scalings, and
publishes none of that. But it writes the object's status at a sync that changed something, which gives the times of the
syncs; the recommendations follow from the CPU values at those times.
"""

from collections import deque
from typing import Self

from msgspec import Struct

from dashboard.core.hpa.behavior import Change, HpaBehavior, Recommendation
from dashboard.core.hpa.spec import HpaSpec

SYNC_SECONDS = 15.0  # the controller's default
LATE_SECONDS = 2.0  # a status change arrives at most this long after its sync
SLACK_SECONDS = 1.0  # maximum difference between our timestamps and the controller's

MOST_PROPOSALS = 64
MOST_CHANGES = 500
MOST_RECOMMENDATIONS = 500  # an hour has 240 syncs


class RecommendationMemory(Struct, frozen=True):
    """What `Recommendations` keeps."""

    began: float
    synced: float
    recommended: list[Recommendation]
    changes: list[Change]
    proposals: list[tuple[float, int | None]]


class Recommendations:
    """The reconstructed history. Like the controller, it starts with the current replicas as a recommendation."""

    def __init__(self, current: int, at: float) -> None:
        self.began = at
        self.recommended = [Recommendation(at, current)]
        self.changes: list[Change] = []
        self._synced = at
        self._proposals: deque[tuple[float, int | None]] = deque(maxlen=MOST_PROPOSALS)

    def memory(self) -> RecommendationMemory:
        return RecommendationMemory(self.began, self._synced, [*self.recommended], [*self.changes], [*self._proposals])

    @classmethod
    def restored(cls, memory: RecommendationMemory) -> Self:
        made = cls(0, memory.began)
        made.recommended, made.changes = [*memory.recommended], [*memory.changes]
        made._synced = memory.synced
        made._proposals.extend(memory.proposals)
        return made

    def advance(self, at: float, behavior: HpaBehavior) -> None:
        """Add the syncs up to `at` that changed no status, and drop entries that no longer matter."""
        oldest = at - behavior.memory - SYNC_SECONDS
        self._synced += max(0.0, (oldest - self._synced) // SYNC_SECONDS * SYNC_SECONDS)
        self._synced = max(self._synced, oldest - SYNC_SECONDS)  # a huge difference is rounded
        while self._synced + SYNC_SECONDS <= at - LATE_SECONDS:
            self._synced += SYNC_SECONDS
            self._note(self._synced, self._proposed(self._synced))
        self.recommended = [one for one in self.recommended if one.at > oldest][-MOST_RECOMMENDATIONS:]
        self.changes = [one for one in self.changes if one.at > oldest][-MOST_CHANGES:]

    def recommend(self, wanted: int | None, at: float) -> None:
        """Set the number that syncs recommend from `at` on; None if they can't compute one."""
        if not self._proposals or self._proposals[-1][1] != wanted:
            self._proposals.append((at, wanted))

    def sync(self, wanted: int | None, at: float) -> None:
        """Record a sync that a status change revealed."""
        self._synced = at
        self._note(at, wanted)

    def change(self, replicas: int, at: float, behavior: HpaBehavior) -> None:
        """Record a scaling by `replicas` pods, negative for fewer.

        Like the controller, put it in the place of the last one of its direction that is older than the direction's
        periods, even if the other direction's policies still count that one.
        """
        up = replicas > 0
        oldest = at - (behavior.up if up else behavior.down).period
        same = [index for index, one in enumerate(self.changes) if (one.replicas > 0) == up]
        outdated = [index for index in same if self.changes[index].at <= oldest]
        if outdated:
            self.changes[outdated[-1]] = Change(at, replicas)
        else:
            self.changes.append(Change(at, replicas))

    def next_change(self, spec: HpaSpec, wanted: int) -> tuple[float, int] | None:
        """Return the time and the replicas of the next scaling if `wanted` stays the same; None if there is none."""
        at = self._synced
        for _ in range(int(spec.behavior.memory // SYNC_SECONDS) + 2):
            at += SYNC_SECONDS
            decision = spec.decide(wanted, self.recommended, self.changes, at + SLACK_SECONDS)
            if decision.replicas != spec.current:
                return at, decision.replicas
        return None

    @property
    def next_sync(self) -> float:
        return self._synced + SYNC_SECONDS

    def _note(self, at: float, wanted: int | None) -> None:
        if wanted is not None:
            self.recommended.append(Recommendation(at, wanted))

    def _proposed(self, at: float) -> int | None:
        """Return the recommendation of a past sync."""
        return next((wanted for since, wanted in reversed(self._proposals) if since <= at), None)
