"""A case: a state of a deployment, and the verdicts that a demo may reach in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.trust.site import Site

AUTOSCALE, PERSISTENCE = "autoscale", "persistence"
HEALTHY, BROKEN = "healthy", "broken"
PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"

State = Callable[["Site"], AbstractContextManager[None]]
Event = Callable[["Site", str], AbstractContextManager[None]]


@contextmanager
def unchanged(_site: Site, _run: str = "") -> Iterator[None]:
    """The deployment as its manifests describe it."""
    yield


@dataclass(frozen=True)
class Case:
    """`state` spans the whole run. `event` begins when the run reaches `step`, and gets the run's id."""

    name: str
    demo: str
    kind: str
    state: State = unchanged
    event: Event = unchanged
    step: str = ""  # empty: no event
    options: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[str, ...] = (PASS,)
    reason: str = ""  # a regular expression that the run's reason must match

    def is_met(self, verdict: str, reason: str | None) -> bool:
        """Return whether a run has an expected verdict and reason."""
        return verdict in self.verdicts and re.search(self.reason, reason or "", re.IGNORECASE | re.DOTALL) is not None

    @property
    def expected(self) -> str:
        verdicts = " or ".join(each.upper() for each in self.verdicts)
        return f"{verdicts}, /{self.reason}/" if self.reason else verdicts
