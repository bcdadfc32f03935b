"""A finished run as the API returns it, and the charts' metrics around it."""

from typing import Any

from dashboard.core.state.history import TABLES
from dashboard.core.timestamps import rfc3339

T0 = 1_764_072_000.0  # the run's start, seconds since 1970

Json = dict[str, Any]


def timestamp(seconds: float) -> str:
    return rfc3339(T0 + seconds)


def persistence_run(**fields: Any) -> Json:
    """Return a persistence run of 40 s. `fields` replaces fields."""
    steps = [("preflight", "Check that it can begin"), ("kill", "Kill the database"), ("readback", "Read it all back")]
    return {
        "id": "r1",
        "demo": "persistence",
        "options": {"mode": "crash"},
        "by": "operator (token, 127.0.0.1)",
        "verdict": "pass",
        "line": "persistence PASS mode=crash acked=5116 lost=0 container=a1b2→c3d4 volume=same down=2.9s",
        "reason": None,
        "started": timestamp(0),
        "ended": timestamp(40),
        "steps": [
            {
                "id": id_, "title": title, "state": "done", "started": timestamp(number * 10),
                "ended": timestamp(number * 10 + 8), "text": None,
            }
            for number, (id_, title) in enumerate(steps)
        ],
        "evidence": {
            "mode": "crash",
            "attempted": 5120,
            "acked": 5116,
            "lost": 0,
            "down": 2.9,
            "container": {"before": "a1b2c3", "after": "c3d4e5"},
            "pod": {"before": "u1", "after": "u1"},
            "volume": "same",
        },
        "timeline": [{"at": timestamp(10), "step": "kill", "text": "SIGKILL for mongod in mongodb-0"}],
        **fields,
    }  # fmt: skip


def metrics(first: int = -60, last: int = 60) -> Json:
    """Return the metrics history from second `first` to `last` of the run. Its p99 rises during the outage."""
    tables: Json = {name: {column: [] for column in ("at", *columns)} for name, columns in TABLES.items()}

    def add(name: str, *point: float) -> None:
        for column, value in zip(tables[name].values(), point, strict=True):
            column.append(value)

    add("replicas", T0 + first, 2, 2)
    for second in range(first, last):
        add("traffic", T0 + second, 120.0, 0.0, 4.0, 2900.0 if 10 <= second <= 14 else 12.0)
        if second % 15 == 0:
            add("cpu", T0 + second, 60.0 + second / 2)
    return tables
