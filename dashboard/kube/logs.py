"""Logs on their way to their readers: so many at once, none longer than it may, and all of them end with the dashboard.

A reader that leaves says nothing while nothing is written to it. So its connection is looked at each second, and a
followed log that is silent gets an empty line as a heartbeat.
"""

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from dashboard.kube.pod_details import LogSource, PodReadError

MOST = 8  # logs at once; each takes a thread here and one of the server's
LONGEST_SECONDS = 30 * 60.0
HEARTBEAT_SECONDS = 5.0
LOOK_SECONDS = 1.0  # how soon a reader that left is noticed
LONGEST_LINE = 16 << 10  # bytes
PIECES = 64  # of some kilobytes each, that wait for a slow reader; then the log itself waits
USER_TIMEOUT_MS = 30_000


class TooManyLogs(Exception):
    """As many logs as may be are being read."""


class LogStreams:
    """All logs that are being read."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._open: set[LogStream] = set()
        self._stopped = False

    def open(self, log: Callable[[], LogSource], reader: "LogReader", *, follow: bool) -> "LogStream":
        """Takes one of the places, and only then asks for the log. TooManyLogs, or what `log` raises."""
        tail = LogStream(reader, follow=follow, release=self._release)
        with self._lock:
            if self._stopped or len(self._open) >= self._most:
                raise TooManyLogs
            self._open.add(tail)
        try:
            tail.start(log())
        except BaseException:
            tail.close()
            raise
        return tail

    def stop(self) -> None:
        """Ends them all, a reader that does not read among them."""
        with self._lock:
            self._stopped = True
            tails = list(self._open)
        for tail in tails:
            tail.cut()

    def __len__(self) -> int:
        return len(self._open)

    def _release(self, tail: "LogStream") -> None:
        with self._lock:
            self._open.discard(tail)


class LogStream:
    """One log and its reader. Two threads: one waits for the log, the server's own for the reader."""

    def __init__(self, reader: "LogReader", *, follow: bool, release: Callable[["LogStream"], None]) -> None:
        self._reader = reader
        self._follow = follow
        self._release = release
        self._log: LogSource | None = None
        self._pieces: queue.Queue[bytes | None] = queue.Queue(PIECES)  # None: the log has ended
        self._closed = threading.Event()

    def start(self, log: LogSource) -> None:
        self._log = log
        threading.Thread(target=self._read, args=[log], name="log", daemon=True).start()

    def lines(self) -> Iterator[bytes]:
        """Whole lines, as many at once as there are. One that is followed begins with a heartbeat: it is open."""
        now = time.monotonic()
        ends_at, beat_at = now + LONGEST_SECONDS, now
        try:
            while now < ends_at and not self._closed.is_set():
                if self._follow and now >= beat_at:
                    beat_at = now + HEARTBEAT_SECONDS
                    yield b"\n"
                piece = self._next()
                if piece is None or self._reader.left():
                    return
                now = time.monotonic()
                if piece:
                    beat_at = now + HEARTBEAT_SECONDS
                    yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Ends it and gives its place back; again does nothing."""
        self._closed.set()
        if self._log:
            self._log.close()
        with contextlib.suppress(queue.Full):  # then there is no need to wake whoever reads
            self._pieces.put_nowait(None)
        self._release(self)

    def cut(self) -> None:
        self.close()
        self._reader.cut()

    def _read(self, log: LogSource) -> None:
        """Hands the log on; its last words when it broke off are ours."""
        try:
            for piece in whole_lines(log.pieces()):
                if not self._put(piece):
                    return
        except PodReadError as error:
            self._put(f"The log broke off. {error}\n".encode())
        finally:
            self._put(None)

    def _next(self) -> bytes | None:
        """What has come, nothing if nothing came for a moment, None at the end."""
        try:
            return self._pieces.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return b""

    def _put(self, piece: bytes | None) -> bool:
        """Whether the reader is still there to take it; waits while it is slow."""
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._pieces.put(piece, timeout=LOOK_SECONDS)
                return True
        return False


class LogReader:
    """The connection to whoever reads, where the server tells which one it is."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection
        if connection:
            with contextlib.suppress(OSError):  # no TCP
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def left(self) -> bool:
        """Whether it has closed its end."""
        if self._connection is None:
            return False
        try:
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            return bool(poll.poll(0)) and self._connection.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    def cut(self) -> None:
        if self._connection:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces' bytes as whole lines of UTF-8, what each piece completes together. Long lines are cut, and say so."""
    line, lost = bytearray(), 0
    for piece in pieces:
        *ends, rest = piece.split(b"\n")
        whole = bytearray()
        for end in ends:
            lost += _extend(line, end)
            whole += _clean(line, lost)
            line.clear()
            lost = 0
        lost += _extend(line, rest)
        if whole:
            yield bytes(whole)
    if line:
        yield _clean(line, lost)


def _extend(line: bytearray, more: bytes) -> int:
    """Adds what still fits; the number of bytes that did not."""
    room = LONGEST_LINE - len(line)
    line += more[:room]
    return max(0, len(more) - room)


def _clean(line: bytearray, lost: int) -> bytes:
    """UTF-8, whatever it was; a character that was cut in two goes with what was cut."""
    text = line.decode("utf-8", "ignore" if lost else "replace")
    return f"{text}{f' … and {lost} bytes more' if lost else ''}\n".encode()
