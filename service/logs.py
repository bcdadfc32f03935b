"""JSON lines on standard output: one per request, one per event, and the records of `logging`."""

from __future__ import annotations

import functools
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson


def write(event: str, **fields: Any) -> None:
    """Write one line. A single write keeps lines whole between threads."""
    line = {"time": _timestamp(time.time()), "event": event, **fields}
    sys.stdout.buffer.write(orjson.dumps(line, str, orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


class JsonFormatter(logging.Formatter):
    """Formats the records of gunicorn and Flask like `write` does."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _timestamp(record.created),
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            line["trace"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(line, default=str).decode()


def _timestamp(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03}Z"


@functools.lru_cache(1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")
