"""The history of runs: a ConfigMap that all dashboards of the namespace read and write."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from dashboard.kube.client import DECODE_ERRORS, KubeClient, object_path
from dashboard.kube.update import SharedObject
from dashboard.runs.records.record import HISTORY_BYTES, is_run, started

CONFIG_MAP = "dashboard-runs"  # as our own manifests name it
HISTORY = "runs.json"  # its key
UNREADABLE = "unreadable-runs.txt"  # the key of entries that can't be read as runs
UNREADABLE_BYTES = 256_000  # a ConfigMap holds 1 MiB, of which the history may take half

Json = dict[str, Any]


class SavedRuns(Struct, frozen=True):
    """The saved runs, newest first, and the number of entries that were skipped as unreadable."""

    runs: list[Json]
    unreadable: int = 0


class ConfigMapHistory:
    """`api` makes a client with the given timeout in seconds."""

    def __init__(self, api: Callable[[float], KubeClient], namespace: str, name: str = CONFIG_MAP) -> None:
        path = object_path(namespace, "configmaps", name)
        self._config_map = SharedObject(api, path, f"the ConfigMap {name}")
        self._known: set[str] = set()  # ids of the runs that this dashboard last read or wrote

    def load(self) -> SavedRuns:
        """Read the runs. Raise `ExternalError`."""
        runs, unreadable = _history(self._config_map.read())
        self._known = {run["id"] for run in runs}
        return SavedRuns(runs, len(unreadable))

    def save(self, runs: Sequence[Json]) -> None:
        """Replace the saved runs. Runs that another dashboard has added since the last `load` stay, ordered by time.

        The oldest runs are dropped if all together are too large. Unreadable entries move to a key of their own. Raise
        `ExternalError`.
        """
        ours = {run["id"] for run in runs}

        def put(config_map: Json) -> None:
            found, unreadable = _history(config_map)
            theirs = [run for run in found if run["id"] not in ours | self._known]
            merged = sorted([*runs, *theirs], key=started, reverse=True) if theirs else [*runs]
            data = (config_map.get("data") or {}) | {HISTORY: _fitting(merged)}
            if unreadable:
                data[UNREADABLE] = _latest([data.get(UNREADABLE, ""), *unreadable])
            config_map["data"] = data

        self._known = {run["id"] for run in _history(self._config_map.update(put))[0]}


def _history(config_map: Json) -> tuple[list[Json], list[str]]:
    """Return the runs in a ConfigMap, and its unreadable entries as text."""
    text = (config_map.get("data") or {}).get(HISTORY) or "[]"
    try:
        entries = msgspec.json.decode(text, type=list[msgspec.Raw])
    except DECODE_ERRORS:
        return [], [text]
    runs: dict[str, Json] = {}
    unreadable = []
    for raw in entries:
        run = _run(raw)
        if run is None or run["id"] in runs:
            unreadable.append(bytes(raw).decode())
        else:
            runs[run["id"]] = run
    return [*runs.values()], unreadable


def _run(raw: msgspec.Raw) -> Json | None:
    """Return the run, or None if it is none."""
    try:
        entry = msgspec.json.decode(raw)
    except DECODE_ERRORS:
        return None
    return entry if is_run(entry) else None


def _latest(texts: list[str]) -> str:
    """Join the texts, one a line, and keep the last UNREADABLE_BYTES."""
    return "\n".join(filter(None, texts)).encode()[-UNREADABLE_BYTES:].decode(errors="ignore")


def _fitting(runs: list[Json]) -> str:
    while len(data := msgspec.json.encode(runs)) > HISTORY_BYTES:
        runs = runs[:-1]
    return data.decode()
