"""What the autoscaler's controller remembers, as far as it can be known from outside.

The controller looks every 15 s, and remembers what it would recommend at each look, and when it asked for more or fewer
pods. It tells none of that. But it writes the object's status at a look that found something new, so the looks between
are known too; and what it would recommend then follows from the figures that it had.
"""

from collections import deque

from dashboard.core.hpa.behavior import Change, HpaBehavior, Recommendation
from dashboard.core.hpa.spec import HpaSpec

LOOK_SECONDS = 15.0  # the controller's own default
LATE_SECONDS = 2.0  # by so much later a look is heard of that changed the status
SLACK_SECONDS = 1.0  # and so far may a moment of ours be from the controller's

MOST_WISHES = 64
MOST_CHANGES = 500


class Recommendations:
    """Begins as the controller does: with the number that there is as its first recommendation."""

    def __init__(self, current: int, at: float) -> None:
        self.began = at
        self.recommended = [Recommendation(at, current)]
        self.changes: list[Change] = []
        self._looked = at
        self._wishes: deque[tuple[float, int | None]] = deque(maxlen=MOST_WISHES)

    def pass_to(self, at: float, behavior: HpaBehavior) -> None:
        """Notes the looks up to `at` that nobody heard of, and forgets what no longer matters."""
        oldest = at - behavior.memory - LOOK_SECONDS
        self._looked += max(0.0, (oldest - self._looked) // LOOK_SECONDS * LOOK_SECONDS)
        while self._looked + LOOK_SECONDS <= at - LATE_SECONDS:
            self._looked += LOOK_SECONDS
            self._note(self._looked, self._recommend(self._looked))
        self.recommended = [one for one in self.recommended if one.at > oldest]
        self.changes = [one for one in self.changes if one.at > oldest][-MOST_CHANGES:]

    def recommend(self, wanted: int | None, at: float) -> None:
        """What it would recommend from now on, None where it could not tell."""
        if not self._wishes or self._wishes[-1][1] != wanted:
            self._wishes.append((at, wanted))

    def sync(self, wanted: int | None, at: float) -> None:
        """It has just looked: the status says so."""
        self._looked = at
        self._note(at, wanted)

    def change(self, replicas: int, at: float) -> None:
        """It asked for so many more, or fewer."""
        self.changes.append(Change(at, replicas))

    def next_change(self, task: HpaSpec, wanted: int) -> tuple[float, int] | None:
        """The look at which it asks for another number, and for which, if `wanted` stays what it is. None if none."""
        at = self._looked
        for _ in range(int(task.behavior.memory // LOOK_SECONDS) + 2):
            at += LOOK_SECONDS
            decision = task.decide(wanted, self.recommended, self.changes, at + SLACK_SECONDS)
            if decision.replicas != task.current:
                return at, decision.replicas
        return None

    @property
    def next_look(self) -> float:
        return self._looked + LOOK_SECONDS

    def _note(self, at: float, wanted: int | None) -> None:
        if wanted is not None:
            self.recommended.append(Recommendation(at, wanted))

    def _recommend(self, at: float) -> int | None:
        """What it would have recommended at a past moment."""
        return next((wanted for since, wanted in reversed(self._wishes) if since <= at), None)
