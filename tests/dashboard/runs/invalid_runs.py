"""Entries of the history that are not runs, each invalid in another way."""

from typing import Any

AT = "2026-11-25T00:00:00.000Z"
RUN = {"id": "run-9", "demo": "persistence", "verdict": "pass", "started": AT, "ended": AT}
STEP = {"id": "kill", "title": "Kill", "state": "done", "started": AT, "ended": AT, "text": ""}

INVALID_RUNS: list[Any] = [
    None,
    1,
    "run",
    [],
    {},
    *(
        {name: value for name, value in RUN.items() if name != missing}
        for missing in ("id", "demo", "verdict", "started")
    ),
    *(
        RUN | invalid
        for invalid in (
            {"id": 9},
            {"demo": None},
            {"verdict": None},
            {"verdict": "perhaps"},
            {"started": None},
            {"started": 1_780_000_000},
            {"started": "yesterday"},
            {"started": "2026-11-25T00:00:00"},
            {"ended": "never"},
            {"by": {}},
            {"line": 7},
            {"options": []},
            {"options": {"mode": ["crash"]}},
            {"evidence": None},
            {"steps": "all"},
            {"steps": [None]},
            {"steps": [{"id": "kill"}]},
            {"steps": [STEP | {"state": None}]},
            {"steps": [STEP | {"started": "then"}]},
            {"timeline": [AT]},
            {"timeline": [{"at": "then", "text": "…"}]},
            {"timeline": [{"at": AT}]},
        )
    ),
]
