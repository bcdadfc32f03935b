"""Log streams from containers to readers, with a maximum of streams, of those of one viewer, and of their duration.

A closed connection is noticed only on a write. So each reader's connection is checked every second, and a followed log
that is silent gets an empty line as a heartbeat.
"""

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from dashboard.kube.errors import ObjectReadError
from dashboard.kube.pods.details import LogSource

MOST = 8  # concurrent streams; each takes a thread here and one of the server's
MOST_OF_A_VIEWER = 4  # of these, so that one viewer leaves some to the others
LONGEST_TAIL = 2_000  # lines
LONGEST_SECONDS = 30 * 60.0
HEARTBEAT_SECONDS = 5.0
POLL_SECONDS = 1.0  # between two checks of the reader's connection
LONGEST_LINE = 16 << 10  # bytes
PIECES = 64  # queue size, some kilobytes each; while the queue is full, the log is not read (backpressure)
USER_TIMEOUT_MS = 30_000


class TooManyLogs(Exception):
    """The maximum of concurrent log streams, in all or of one viewer, is reached. The message says which."""


class LogStreams:
    """All open log streams."""

    def __init__(self, most: int = MOST, most_of_a_viewer: int = MOST_OF_A_VIEWER) -> None:
        self._most = most
        self._most_of_a_viewer = most_of_a_viewer
        self._lock = threading.Lock()
        self._open: set[LogStream] = set()
        self._stopped = False

    def open(self, log: Callable[[], LogSource], reader: "LogReader", *, follow: bool, viewer: str = "") -> "LogStream":
        """Open a stream, and then its log. Raise TooManyLogs, or the error of `log`.

        `viewer` is what the viewer's session has for a name; "" is not limited by itself.
        """
        stream = LogStream(reader, follow=follow, release=self._release, viewer=viewer)
        with self._lock:
            if self._stopped or len(self._open) >= self._most:
                raise TooManyLogs("Too many logs are being read.")
            if viewer and sum(other.viewer == viewer for other in self._open) >= self._most_of_a_viewer:
                raise TooManyLogs(f"You read {self._most_of_a_viewer} logs, the most at once. Close another one.")
            self._open.add(stream)
        try:
            stream.start(log())
        except BaseException:
            stream.close()
            raise
        return stream

    def stop(self) -> None:
        """End all streams, also those of readers that do not read."""
        with self._lock:
            self._stopped = True
            streams = list(self._open)
        for stream in streams:
            stream.disconnect()

    def __len__(self) -> int:
        return len(self._open)

    def _release(self, stream: "LogStream") -> None:
        with self._lock:
            self._open.discard(stream)


class LogStream:
    """One log and its reader. One thread reads the log; the server's own thread writes to the reader."""

    def __init__(
        self, reader: "LogReader", *, follow: bool, release: Callable[["LogStream"], None], viewer: str = ""
    ) -> None:
        self.viewer = viewer
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
        """Yield blocks of whole lines. A followed log begins with a heartbeat, which shows that it is open."""
        now = time.monotonic()
        deadline, heartbeat_at = now + LONGEST_SECONDS, now
        try:
            while now < deadline and not self._closed.is_set():
                if self._follow and now >= heartbeat_at:
                    heartbeat_at = now + HEARTBEAT_SECONDS
                    yield b"\n"
                piece = self._next()
                if piece is None or self._reader.is_gone():
                    return
                now = time.monotonic()
                if piece:
                    heartbeat_at = now + HEARTBEAT_SECONDS
                    yield piece
            if now >= deadline:
                yield f"The log ended after {LONGEST_SECONDS / 60:.0f} minutes, the limit. Request it again.\n".encode()
        finally:
            self.close()

    def close(self) -> None:
        """End the stream and release its slot. May be called more than once."""
        self._closed.set()
        if self._log:
            self._log.close()
        with contextlib.suppress(queue.Full):  # `lines` then does not wait
            self._pieces.put_nowait(None)
        self._release(self)

    def disconnect(self) -> None:
        """End the stream and the reader's connection."""
        self.close()
        self._reader.disconnect()

    def _read(self, log: LogSource) -> None:
        """Queue the log's lines. If the log breaks off, add a last line that says why."""
        try:
            for piece in log.pieces():
                if not self._put(piece):
                    return
        except ObjectReadError as error:
            self._put(f"The log broke off. {error}\n".encode())
        finally:
            self._put(None)

    def _next(self) -> bytes | None:
        """Return the next block, an empty one after POLL_SECONDS without data, or None at the end."""
        try:
            return self._pieces.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return b""

    def _put(self, piece: bytes | None) -> bool:
        """Queue a block, waiting while the queue is full. Return False if the stream was closed."""
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._pieces.put(piece, timeout=POLL_SECONDS)
                return True
        return False


class TextLog:
    """A container's log as blocks of whole lines (implements kube.pods.details.LogSource)."""

    def __init__(self, log: LogSource) -> None:
        self._log = log

    def pieces(self) -> Iterator[bytes]:
        return whole_lines(self._log.pieces())

    def close(self) -> None:
        self._log.close()


class LogReader:
    """A reader's connection; None if the server does not provide it."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection
        if connection:
            with contextlib.suppress(OSError):  # not a TCP connection
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def is_gone(self) -> bool:
        """Return whether the reader has closed the connection."""
        if self._connection is None:
            return False
        try:
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            return bool(poll.poll(0)) and self._connection.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    def disconnect(self) -> None:
        if self._connection:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data as blocks of whole UTF-8 lines. Long lines are cut, and end with the number of missing bytes."""
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
    """Append the bytes that still fit. Return the number of the others."""
    room = LONGEST_LINE - len(line)
    line += more[:room]
    return max(0, len(more) - room)


def _clean(line: bytearray, lost: int) -> bytes:
    """Return the line as valid UTF-8. A character that the cut split is dropped."""
    text = line.decode("utf-8", "ignore" if lost else "replace")
    return f"{text}{f' … and {lost} bytes more' if lost else ''}\n".encode()
