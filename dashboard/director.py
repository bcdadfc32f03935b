"""Runs one demo at a time, from its first check to its verdict, in a thread of its own."""

from collections.abc import Mapping
from typing import Any

from dashboard.core.event import Emit
from dashboard.core.ports import Audit, Clock, Load, Operator, Reader, View, WritersOf

Json = dict[str, Any]


class Active(Exception):
    """A run is going, here or in another dashboard. `holder` is the dashboard's name, `run` its id, if known."""

    def __init__(self, holder: str, run: str = "") -> None:
        super().__init__(f"A run is going: {run or 'one'}, held by {holder}.")
        self.holder = holder
        self.run = run


class Unknown(Exception):
    """There is no run with this id."""


class NotCurrent(Exception):
    """The uid is not that of the pod that is there now: `uid` is, or None if there is no pod."""

    def __init__(self, name: str, uid: str | None) -> None:
        super().__init__(f"The pod {name} has another uid now: {uid}." if uid else f"There is no pod {name} now.")
        self.uid = uid


class Director:
    def __init__(
        self,
        operator: Operator,
        load: Load,
        writers: WritersOf,
        reader: Reader,
        view: View,
        emit: Emit,
        audit: Audit,
        clock: Clock,
        *,
        holder: str,  # the dashboard's own name
        pod: str,  # the database's, "mongodb-0"
        deployment: str,  # the service's
    ) -> None:
        raise NotImplementedError

    def begin(self) -> None:
        """Reads the history, and ends what an earlier dashboard left running. Called once, by `start(app)`; where the
        cluster can't be reached it is tried again in the background."""
        raise NotImplementedError

    def end(self) -> None:
        """Aborts what runs and waits until it has cleaned up. Called by `stop(app)`."""
        raise NotImplementedError

    def start(self, demo: str, options: Mapping[str, Any], by: str) -> str:
        """The new run's id. `BadOption` (core.run) of what is not allowed, `Active` if one is going; a `Trouble`
        (core.ports) if the lease can't be asked for."""
        raise NotImplementedError

    def abort(self, id_: str, by: str) -> None:
        """At any moment, and returns at once. `Unknown` if there is no such run; nothing if it has ended."""
        raise NotImplementedError

    def restart_mongo(self, uid: str, mode: str, by: str) -> None:
        """Outside of a run: "graceful" or "crash", of the pod with this uid. `Active`, `NotCurrent`, `BadOption`, or a
        `Trouble`."""
        raise NotImplementedError

    def load(self, options: Any, by: str) -> None:
        """Load outside of a run (`LoadOptions`): `Active` while a run goes; the load's own `Busy` while one runs."""
        raise NotImplementedError

    def unload(self, by: str) -> None:
        """Stops a load that was started outside of a run. `Active` while a run goes."""
        raise NotImplementedError

    def get(self, id_: str) -> Json:
        """A run, whole, or as much as was kept of an earlier one. `Unknown`."""
        raise NotImplementedError

    def list(self) -> "list[Json]":
        """Summaries, newest first, the current one among them."""
        raise NotImplementedError
