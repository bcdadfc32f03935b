"""Where a request ends in the bytes that a connection has received. Pure: gunicorn parses the request itself.

What is malformed counts as complete, so that it is refused at once: a head by gunicorn, a chunk by the worker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_HEAD_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*([0-9]+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9a-f]{1,16})[ \t]*(?:;[^\r\n]*)?", re.IGNORECASE)
_LONGEST_CHUNK_LINE = 256  # bytes
_LONGEST_LENGTH = 18  # digits
MOST_CHUNKS = 10_000  # of a body, which is too large with more: each costs as much as hundreds of bytes


class Part(Enum):
    """How much of a request has arrived."""

    HEAD = "head"  # less than its head
    BODY = "body"  # the head, and less than the whole body
    WHOLE = "whole"  # all of it, or more than the limits allow, or something that is no request


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """In bytes, a chunked body with its framing. A larger request is passed on as soon as it is known to be larger:
    the application refuses it without the rest."""

    head: int
    body: int


class Framing:
    """The state of one request. Call `arrived` with all its bytes, each time that there are more."""

    __slots__ = (
        "_body",
        "_chunk",
        "_chunks",
        "_limits",
        "_scanned",
        "end",
        "expects_continue",
        "is_cut",
        "is_malformed",
    )

    def __init__(self, limits: SizeLimits) -> None:
        self._limits = limits
        self._scanned = 0  # bytes in which the head, or the trailers, do not end
        self._body = 0  # where the body begins; 0 while the head is incomplete
        self._chunk = 0  # where the next chunk begins; 0 if the body is not chunked
        self._chunks = 0  # that have arrived
        self.end = 0  # where the request ends, once that is known
        self.expects_continue = False  # the client waits for 100 Continue before it sends the body
        self.is_cut = False  # the request is passed on without its end, since its body is too large
        self.is_malformed = False  # the body is not chunked as it should be: where the request ends is unknown

    def arrived(self, received: bytes | bytearray) -> Part:
        if not self._body:
            head_end = received.find(_HEAD_END, self._scanned)
            if head_end < 0:
                if _BARE_LF.search(received, self._scanned):  # the head will never end
                    self.end = len(received)
                    return Part.WHOLE
                self._scanned = max(len(received) - len(_HEAD_END) + 1, 0)
                if len(received) <= self._limits.head:
                    return Part.HEAD
                self.end = len(received)
                return Part.WHOLE
            head = bytes(received[: head_end + 2])
            if head.count(b"\n") != head.count(b"\r\n"):
                self.end = len(received)
                return Part.WHOLE
            self._read_head(head)
        if self._chunk and not self.end:
            self._find_last_chunk(received)
        return Part.WHOLE if 0 < self.end <= len(received) else Part.BODY

    def _read_head(self, head: bytes) -> None:
        self._body = len(head) + 2
        names = head.lower()  # to search for a name costs a tenth of a regular expression that ignores case
        if b"\r\ntransfer-encoding:" in names and _CHUNKED.search(head):
            self._chunk = self._body
        elif b"\r\ncontent-length:" in names and (length := _LENGTH.search(head)):
            self.is_cut = len(length[1]) > _LONGEST_LENGTH or int(length[1]) > self._limits.body
            self.end = self._body + (0 if self.is_cut else int(length[1]))
        else:
            self.end = self._body
        self.expects_continue = (
            self.end != self._body
            and b"\r\nexpect:" in names
            and _EXPECT.search(head) is not None
            and head[: head.find(b"\r\n")].endswith(b" HTTP/1.1")  # HTTP/1.0 has no 100
        )

    def _find_last_chunk(self, received: bytes | bytearray) -> None:
        """Set `end` once the last chunk is there, or a malformed one, or more than the limits."""
        while True:
            line_end = received.find(b"\r\n", self._chunk, self._chunk + _LONGEST_CHUNK_LINE)
            if line_end < 0:
                beginning = received[self._chunk : self._chunk + _LONGEST_CHUNK_LINE]
                if len(beginning) == _LONGEST_CHUNK_LINE or b"\n" in beginning:
                    self._refuse(received)
                return
            size = _CHUNK_SIZE.fullmatch(bytes(received[self._chunk : line_end]))
            if not size:
                self._refuse(received)
                return
            if int(size[1], 16) == 0:  # an empty line follows, after trailers if there are any
                trailers_end = received.find(_HEAD_END, max(line_end, self._scanned))
                self._scanned = max(len(received) - len(_HEAD_END) + 1, 0)
                self.end = trailers_end + len(_HEAD_END) if trailers_end >= 0 else 0
                self._cut_if_longer(received, len(received))
                return
            following = line_end + 2 + int(size[1], 16) + 2
            if self._cut_if_longer(received, following) or following > len(received):
                return
            if received[following - 2 : following] != b"\r\n":
                self._refuse(received)
                return
            self._chunk = following
            self._chunks += 1
            if self._chunks > MOST_CHUNKS:
                self.is_cut, self.end = True, len(received)
                return

    def _refuse(self, received: bytes | bytearray) -> None:
        self.is_malformed, self.end = True, len(received)

    def _cut_if_longer(self, received: bytes | bytearray, to: int) -> bool:
        if not self.end and to - self._body > self._limits.body:
            self.is_cut, self.end = True, len(received)
        return self.is_cut
