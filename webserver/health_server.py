"""The health server: probes and metrics on a port and a thread of their own, so that requests cannot starve a probe.

Each connection has one request and a deadline, and the connections are bounded: the oldest makes room.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus

CLIENT_SECONDS = 5.0  # from a connection to its end
LONGEST_HEAD = 8 << 10  # bytes
MOST_CONNECTIONS = 64
START_SECONDS = 10.0

Answer = tuple[int, str, bytes]  # status, content type, body
Answers = Mapping[str, Callable[[], Answer]]  # by path; computed on the server's thread

_FAILURES = (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)


class HealthServer:
    """Port 0 lets the kernel choose one. With `shared`, several processes share the port: the kernel gives each
    connection to one of them."""

    def __init__(self, host: str, port: int, answers: Answers, *, shared: bool = False) -> None:
        self._answers = answers
        self._listener = socket.create_server((host, port), backlog=MOST_CONNECTIONS, reuse_port=shared)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        self._started = threading.Event()
        self._open: dict[asyncio.StreamWriter, None] = {}  # the oldest first

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def start(self) -> None:
        self._thread.start()
        if not self._started.wait(START_SECONDS):
            raise OSError("The health server did not start.")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = asyncio.start_server(self._serve, sock=self._listener, limit=LONGEST_HEAD)
        server = self._loop.run_until_complete(serving)
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MOST_CONNECTIONS:
            next(iter(self._open)).transport.abort()
        self._open[writer] = None
        try:
            async with asyncio.timeout(CLIENT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(head))
                await writer.drain()
        except _FAILURES:
            pass  # the client's own affair
        finally:
            self._open.pop(writer, None)
            writer.close()

    def _response(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.split(b" ", 1)[0].partition(b"?")[0].decode("latin-1")
        answer = self._answers.get(path)
        if method not in (b"GET", b"HEAD"):
            status, kind, body = _problem(HTTPStatus.METHOD_NOT_ALLOWED)
        elif answer is None:
            status, kind, body = _problem(HTTPStatus.NOT_FOUND)
        else:
            status, kind, body = answer()
        lines = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "Connection: close",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == b"HEAD" else body)


def _problem(status: HTTPStatus) -> Answer:
    body = f'{{"type":"about:blank","title":"{status.phrase}","status":{status.value}}}'
    return status.value, "application/problem+json", body.encode()
