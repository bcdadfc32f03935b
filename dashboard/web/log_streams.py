"""Log streams from containers to viewers, with a maximum of streams, of those of one viewer, and of their duration.

A closed connection is noticed only on a write. So each viewer's connection is checked every second, and a followed log
that is silent gets an empty line as a heartbeat.
"""

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

from dashboard.kube.errors import ObjectReadError
from dashboard.kube.pods.details import LogSource
from dashboard.kube.pods.logs import POLL_SECONDS

MOST = 8  # concurrent streams; each takes a thread here and one of the server's
MOST_OF_A_VIEWER = 4  # of these, so that one viewer leaves some to the others
LONGEST_SECONDS = 30 * 60.0
HEARTBEAT_SECONDS = 5.0
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

    def open(
        self, log: Callable[[], LogSource], connection: "ViewerConnection", *, follow: bool, viewer: str = ""
    ) -> "LogStream":
        """Open a stream, and then its log. Raise TooManyLogs, or the error of `log`.

        `viewer` is what the viewer's session has for a name; "" is not limited by itself.
        """
        stream = LogStream(connection, follow=follow, release=self._release, viewer=viewer)
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
        """End all streams, also those of viewers that do not read."""
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
    """One log and its viewer. One thread reads the log; the server's own thread writes to the viewer."""

    def __init__(
        self, connection: "ViewerConnection", *, follow: bool, release: Callable[["LogStream"], None], viewer: str = ""
    ) -> None:
        self.viewer = viewer
        self._connection = connection
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
                if piece is None or self._connection.is_gone():
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
        """End the stream and the viewer's connection."""
        self.close()
        self._connection.disconnect()

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


class ViewerConnection:
    """A viewer's connection; None if the server does not provide it."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection
        if connection:
            with contextlib.suppress(OSError):  # not a TCP connection
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def is_gone(self) -> bool:
        """Return whether the viewer has closed the connection."""
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
