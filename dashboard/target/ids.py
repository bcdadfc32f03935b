"""Ids that a caller makes: unique without asking anybody, and sorted by the second of their making."""

import os
import secrets
import time
import uuid
from itertools import count
from sys import intern
from threading import Lock
from typing import Literal, Protocol


class Ids(Protocol):
    def new(self) -> str:
        """Return an id that is greater than all former ones of this object. It is thread-safe."""


class ObjectIds:
    """MongoDB's: the time in seconds, a random part for this instance, and a counter."""

    def __init__(self) -> None:
        self._random = os.urandom(5).hex()
        self._numbers = count(secrets.randbelow(1 << 23))  # far from its end, where ids would fall

    def new(self) -> str:
        return intern(f"{int(time.time()):08x}{self._random}{next(self._numbers) % (1 << 24):06x}")


class Uuids:
    """UUIDs of version 7 (RFC 9562): the time in milliseconds, a counter, and a random part."""

    def __init__(self) -> None:
        self._random = secrets.randbits(50)
        self._last = 0
        self._lock = Lock()

    def new(self) -> str:
        with self._lock:  # 60 bits: the milliseconds and a counter of 12 bits, which may run ahead of the clock
            self._last = max(time.time_ns() // 1_000_000 << 12, self._last + 1)
            stamp = self._last
        milliseconds, counter = stamp >> 12, stamp & 0xFFF
        number = milliseconds << 80 | 7 << 76 | counter << 64 | 2 << 62 | self._random << 12 | counter
        return intern(str(uuid.UUID(int=number)))


def ids(kind: Literal["objectid", "uuid"]) -> Ids:
    return ObjectIds() if kind == "objectid" else Uuids()
