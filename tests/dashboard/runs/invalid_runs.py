"""Entries of the history that are not runs, each invalid in another way."""

from typing import Any

AT = "2026-11-25T00:00:00.000Z"
RUN = {"id": "run-9", "demo": "persistence", "verdict": "pass", "started": AT, "ended": AT}
STEP = {"id": "kill", "title": "Kill", "state": "done", "started": AT, "ended": AT, "text": ""}


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


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
            {"id": "a/b"},
            {"id": ""},
            {"demo": "a\r\nSet-Cookie: b"},
            {"demo": "x" * 64},
            {"started": "0000-01-01T00:00:00Z"},
            {"started": "2026-02-29T00:00:00Z"},
            {"started": "2026-11-25 00:00:00z"},
            {"reason": "x" * 20_000},
            {"compared": 10**40},
            {"lines": [["5"] * 101]},
            {"figures": 7},
            {"owed": {"what": "up"}},
            {"evidence": {"acked": 2**53}},
            {"evidence": {"acked": [{"deep": -(10**40)}]}},
            {"other": nested(30)},
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
