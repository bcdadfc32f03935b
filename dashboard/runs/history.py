"""The history of runs, kept in a ConfigMap, where all dashboards of the namespace read and write it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from dashboard.kube.client import KubeClient, object_path
from dashboard.kube.update import SharedObject
from dashboard.runs.record import HISTORY_BYTES, is_run, started

CONFIG_MAP = "dashboard-runs"  # as the manifests name it
HISTORY = "runs.json"  # its key
UNREADABLE = "unreadable-runs.txt"  # the key of entries that are no runs
UNREADABLE_BYTES = 256_000  # a ConfigMap holds 1 MiB, and the history may take half of it

Json = dict[str, Any]


class SavedRuns(Struct, frozen=True):
    """The runs that were saved, newest first, and how many entries are no runs: those are skipped."""

    runs: list[Json]
    unreadable: int = 0


class History:
    """`api` makes a client that waits so many seconds for an answer."""

    def __init__(self, api: Callable[[float], KubeClient], namespace: str) -> None:
        path = object_path(namespace, "configmaps", CONFIG_MAP)
        self._config_map = SharedObject(api, path, f"the ConfigMap {CONFIG_MAP}")
        self._known: set[str] = set()  # ids of the runs in the history that this dashboard has read or written

    def load(self) -> SavedRuns:
        """`ExternalError` if it can't be read."""
        runs, unreadable = _history(self._config_map.read())
        self._known = {run["id"] for run in runs}
        return SavedRuns(runs, len(unreadable))

    def save(self, runs: Sequence[Json]) -> None:
        """Replaces what is saved. What another dashboard added since this one read it stays, in its place by time. The
        oldest runs go where all together are too long. Entries that can't be read move to a key of their own."""
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
    """The runs that a ConfigMap keeps, and the texts of what stands there and is no run."""
    text = (config_map.get("data") or {}).get(HISTORY) or "[]"
    try:
        entries = msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, RecursionError):
        return [], [text]
    runs = [entry for entry in entries if is_run(entry)]
    return runs, [msgspec.json.encode(entry).decode() for entry in entries if not is_run(entry)]


def _latest(texts: list[str]) -> str:
    """One a line, the last so many bytes of them."""
    return "\n".join(filter(None, texts)).encode()[-UNREADABLE_BYTES:].decode(errors="ignore")


def _fitting(runs: list[Json]) -> str:
    while len(data := msgspec.json.encode(runs)) > HISTORY_BYTES:
        runs = runs[:-1]
    return data.decode()
