"""The actions of an operator on the deployment.

Each names what was seen: a resourceVersion of the object, or a pod's uid. If the spec was changed since, nothing is
done, and the error says what changed. Each holds the lease for its moment, so none happens during a run; each is
audited. A dry run does everything but change.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from dashboard.actions import autoscaler as hpa
from dashboard.actions import rollout
from dashboard.actions.patching import Plan, patched
from dashboard.core import objects
from dashboard.core.deployment.differences import changed_by, differences
from dashboard.core.errors import Changed, Denied, ExternalError, InvalidOption, NotFound, UidMismatch
from dashboard.kube.objects.control import ChangeTarget, autoscaler, deployment
from dashboard.runs.ports import Audit

SEEN = 100  # objects that are remembered, to say what changed since
REFUSALS = (Changed, Denied, NotFound, UidMismatch, rollout.NotPossible)

Json = dict[str, Any]


class Control(Protocol):
    """Access to the objects (kube.objects.control.ObjectControl)."""

    def read(self, target: ChangeTarget) -> Json: ...
    def patch(self, target: ChangeTarget, seen: Json, operations: list[Json], *, dry_run: bool) -> Json: ...
    def replica_sets(self, owner: str) -> list[Json]: ...
    def delete_pod(self, name: str, uid: str, *, dry_run: bool) -> None: ...


class StateView(Protocol):
    """Read access to the hub's state."""

    def view(self) -> Json: ...
    def evaluation_with(self, autoscaler: objects.Autoscaler) -> Json | None:
        """Return what the autoscaler's controller would do now by this spec."""


# Takes who acts, and holds the lease inside the `with` block, which gets a function that confirms it. Entering it
# raises `RunActive` during a run.
Exclusively = Callable[[str], AbstractContextManager[Callable[[], None]]]


class Names(Struct, frozen=True):
    namespace: str
    deployment: str
    autoscaler: str


class Actions:
    """`now` returns the time of day, RFC 3339 UTC."""

    def __init__(
        self,
        control: Control,
        exclusively: Exclusively,
        view: StateView,
        audit: Audit,
        names: Names,
        now: Callable[[], str],
    ) -> None:
        self._control = control
        self._exclusively = exclusively
        self._view = view
        self._audit = audit
        self._names = names
        self._now = now
        self._deployment, self._autoscaler = deployment(names.deployment), autoscaler(names.autoscaler)
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, Json] = OrderedDict()  # by resourceVersion, guarded by the lock

    # The Deployment

    def deployment(self) -> Json:
        """Return the Deployment's identity and its revisions, newest first."""
        found = self._read(self._deployment)
        sets = self._control.replica_sets(found["metadata"]["uid"])
        return _identity(self._deployment, found) | {
            "paused": bool(found["spec"].get("paused")),
            "revisions": rollout.revisions(found, sets),
        }

    def roll(self, action: str, revision: int | None, seen: str | None, by: str, *, dry_run: bool) -> Json:
        """Restart, pause, resume or undo. `revision` is the one to go back to, by default the former. `seen` is the
        resourceVersion that was seen; a dry run needs none."""
        if action not in rollout.ACTIONS:
            raise InvalidOption(f"The action must be {', '.join(rollout.ACTIONS)}.")
        now = self._read(self._deployment)
        if action == rollout.UNDO and revision is None:
            revision = rollout.former(now, self._control.replica_sets(now["metadata"]["uid"]))
        command = rollout.commands(
            action,
            self._names.deployment,
            self._names.namespace,
            paused=bool(now["spec"].get("paused")),
            revision=revision,
        )
        words = {
            rollout.RESTART: f"restart the service {self._names.deployment}",
            rollout.UNDO: f"undo the roll-out of {self._names.deployment} to revision {revision}",
        }.get(action, f"{action} the roll-out of {self._names.deployment}")
        plan = partial(self._rollout_patch, action, revision)
        done, _ = self._change(self._deployment, plan, seen, by, (words, action), dry_run=dry_run)
        return done | {"command": command, "revision": revision}

    def _rollout_patch(self, action: str, revision: int | None, now: Json) -> list[Json]:
        if action == rollout.RESTART:
            return rollout.restart(now, self._now())
        if action == rollout.UNDO:
            return rollout.undo(now, self._control.replica_sets(now["metadata"]["uid"]), revision or 0)
        return rollout.pause(now) if action == rollout.PAUSE else rollout.resume(now)

    # The autoscaler

    def autoscaler(self) -> Json:
        """Return the autoscaler's identity and its settings."""
        found = self._read(self._autoscaler)
        return _identity(self._autoscaler, found) | {"settings": hpa.settings(found)}

    def scale(self, given: Json, seen: str | None, by: str, *, dry_run: bool) -> Json:
        """Change the autoscaler's settings: min, max, target, behavior. A dry run says what it would do now by them."""
        wanted = hpa.checked(given)
        made: list[Json] = []

        def plan(now: Json) -> list[Json]:
            made[:] = hpa.patch(now, wanted)
            return made

        shown = ", ".join(f"{name} {value}" for name, value in wanted.items() if name != "behavior")
        words = f"change the autoscaler {self._names.autoscaler}: {shown or 'behavior'}"
        done, after = self._change(self._autoscaler, plan, seen, by, (words, "autoscaler"), dry_run=dry_run)
        command = hpa.command(made, self._names.autoscaler, self._names.namespace)
        return done | {"command": command, "settings": hpa.settings(after), "evaluation": self._evaluation(after)}

    def _evaluation(self, changed: Json) -> Json | None:
        try:
            return self._view.evaluation_with(msgspec.convert(changed, objects.Autoscaler))
        except msgspec.ValidationError:
            return None  # what the page can't read of the object itself, its source says

    # A pod

    def delete_pod(self, uid: str, by: str, *, dry_run: bool) -> Json:
        """Delete a pod of the service, with its grace period: its ReplicaSet makes another."""
        pod = next((each for each in self._view.view()["pods"] if each["uid"] == uid), None)
        if pod is None:
            raise NotFound("There is no such pod, or it is gone.")
        if pod["app"] != self._names.deployment:
            raise InvalidOption(f"Only pods of {self._names.deployment} are deleted from here: {pod['name']} is none.")
        if pod["phase"] == "Terminating":
            raise rollout.NotPossible(f"The pod {pod['name']} is being deleted already.")
        about = {"kind": "Pod", "name": pod["name"], "uid": uid}
        act = partial(self._control.delete_pod, pod["name"], uid)
        if dry_run:
            act(dry_run=True)
        else:
            with self._exclusively(by) as confirm:
                confirm()
                self._audited(partial(act, dry_run=False), by, (f"delete pod {pod['name']}", "delete pod"), about)
        return {
            "object": about,
            "dry_run": dry_run,
            "changes": [f"the pod {pod['name']}: ends, and its ReplicaSet makes another"],
            "command": f"kubectl -n {self._names.namespace} delete pod {pod['name']}",
        }

    # A change of an object

    def _change(
        self, target: ChangeTarget, plan: Plan, seen: str | None, by: str, words: tuple[str, str], *, dry_run: bool
    ) -> tuple[Json, Json]:
        """Patch the object. Return the answer, and the object as it is then."""
        if dry_run:
            before, after = self._patched(target, plan, seen, lambda: None, dry_run=True)
        elif seen is None:
            raise InvalidOption("resource_version is missing: a dry run has the current one.")
        else:
            with self._exclusively(by) as confirm:
                about = {"kind": target.kind, "name": target.name, "uid": self._uid(target)}
                act = partial(self._patched, target, plan, seen, confirm, dry_run=False)
                before, after = self._audited(act, by, words, about)
        changes = differences(_shown(before), _shown(after))
        answer = _identity(target, before if dry_run else after) | {"dry_run": dry_run, "changes": changes}
        return answer, after

    def _patched(
        self, target: ChangeTarget, plan: Plan, seen: str | None, confirm: Callable[[], None], *, dry_run: bool
    ) -> tuple[Json, Json]:
        """Patch the object as it is now, again while only its status changes. Return it before and after."""

        def patch(now: Json, operations: list[Json]) -> Json:
            confirm()
            return self._control.patch(target, now, operations, dry_run=dry_run)

        failure = f"The {target.kind} {target.name} keeps changing: try again."
        before, after = patched(partial(self._current, target, seen), plan, patch, failure)
        if not dry_run:
            self._remember(after)
        return before, after

    def _current(self, target: ChangeTarget, seen: str | None) -> Json:
        """Return the object as it is now. Raise `Changed` if its spec is not as in the resourceVersion `seen`."""
        now = self._read(target)
        if seen in (None, now["metadata"]["resourceVersion"]):
            return now
        with self._lock:
            before = self._seen.get(str(seen))
        what = f"The {target.kind} {target.name}"
        if before is None:
            raise Changed(f"{what} was changed since, last {changed_by(now) or 'by somebody'}. Look at it again.", [])
        if before["metadata"]["uid"] != now["metadata"]["uid"]:
            raise Changed(f"{what} was deleted and made again. Look at it again.", [])
        if changes := differences(_spec(before), _spec(now)):
            raise Changed(f"{what} was changed meanwhile {changed_by(now)}: {'; '.join(changes)}.", changes)
        return now

    def _read(self, target: ChangeTarget) -> Json:
        found = self._control.read(target)
        self._remember(found)
        return found

    def _uid(self, target: ChangeTarget) -> str:
        return str(self._read(target)["metadata"]["uid"])

    def _remember(self, object_: Json) -> None:
        with self._lock:
            self._seen[object_["metadata"]["resourceVersion"]] = object_
            if len(self._seen) > SEEN:
                self._seen.popitem(last=False)

    def _audited(self, act: Callable[[], Any], by: str, words: tuple[str, str], about: Json) -> Any:
        """Act, and audit the outcome. `words` are the action and its mark in the charts."""
        action, mark = words
        try:
            result = act()
        except ExternalError as error:
            self._audit(by, action, f"{'refused' if isinstance(error, REFUSALS) else 'failed'}: {error}", about)
            raise
        self._audit(by, action, "done", about, mark)
        return result


def _identity(target: ChangeTarget, object_: Json) -> Json:
    meta = object_["metadata"]
    return {
        "object": {"kind": target.kind, "name": target.name, "uid": meta["uid"]},
        "resource_version": meta["resourceVersion"],
    }


def _spec(object_: Json) -> Json:
    """Return what an operator decides on. A Deployment's number of replicas is the autoscaler's."""
    return {
        name: value
        for name, value in object_["spec"].items()
        if name != "replicas" or "template" not in object_["spec"]
    }


def _shown(object_: Json) -> Json:
    return {"spec": _spec(object_)}
