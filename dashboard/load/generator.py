"""The load generator's program: `python -m dashboard.load.generator '{"url": …, "rate": 100, "duration": 10}'`.

It sends GET requests to one URL on an open-loop schedule. Stdout has one JSON line (`LoadSample`) at the start, one a
second, and a last one with `final`. Each line on stdin is a new rate in requests a second. The process exits when the
schedule has ended, at the line "stop", at the end of stdin, or with its parent; any other line is an error. Without a
URL it tests this machine: it loads a server of its own, in the same process.

A GET on a kept-alive connection that the server has just closed is retried once, as HTTP allows.
"""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import threading
import time
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import msgspec
import uvloop
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from dashboard.core.errors import InvalidOption
from dashboard.load.options import ANSWER_SECONDS, MOST_IN_FLIGHT, ErrorCounts, LoadOptions, LoadSample, check_rate

CONNECTION_SECONDS = 2.0  # a connection's lifetime: each leads to one pod, and new pods must get their share
CONNECTION_REQUESTS = 50  # and the most requests that it carries
CONNECT_SECONDS = 3.0
STOP_SECONDS = 0.5  # grace for requests in flight after "stop"
OVERTIME_SECONDS = 10.0  # then SIGALRM kills a process that should have exited
TICK_SECONDS = 0.001  # the resolution of the event loop's timers
WAKE_SECONDS = 0.02  # the longest sleep: a new rate takes effect within it
LONGEST_LINE = 64  # bytes on stdin
LARGEST_ANSWER = 4 << 20  # bytes
LONGEST_US = 60_000_000
DIGITS = 2  # significant digits of a latency: with more, percentiles take too long to compute
PR_SET_PDEATHSIG = 1

SINK_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2048\r\n\r\n" + b" " * 2048


def main(arguments: list[str]) -> None:
    """Run one load. Exit with a sentence on stderr if the options are invalid."""
    _die_with_parent(os.getppid())
    try:
        given = msgspec.json.decode(arguments[0], type=dict[str, Any])
        url = given.pop("url", None)
        options = LoadOptions.read(given)
    except (InvalidOption, IndexError, msgspec.MsgspecError) as error:
        sys.exit(f"Invalid options: {error}")
    signal.setitimer(signal.ITIMER_REAL, options.duration + ANSWER_SECONDS + OVERTIME_SECONDS)
    try:
        uvloop.run(_load(url, options))
    except InvalidOption as error:
        sys.exit(str(error))


async def _load(url: str | None, options: LoadOptions) -> None:
    sink = None if url else await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    address = url or f"http://127.0.0.1:{sink.sockets[0].getsockname()[1]}/"  # type: ignore[union-attr]
    connections = Connections()
    connector = aiohttp.TCPConnector(limit=options.connections, keepalive_timeout=CONNECTION_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        response_class=connections.response_class(),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "flask-mongodb-load", "Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS),
        auto_decompress=False,
    ) as session:
        await Generator(session, connections, address, options).run()


class Generator:
    """Sends the requests of one load when they are due, and writes the samples."""

    def __init__(
        self, session: aiohttp.ClientSession, connections: "Connections", url: str, options: LoadOptions
    ) -> None:
        self._session = session
        self._connections = connections
        self._url = url
        self._schedule = options.schedule()
        self._rate = options.rate  # the newest from stdin; `_send` applies it
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._start = self._cpu_start = 0.0
        self._offered = self._sent = self._dropped = self._answered = 0
        self._errors = dict.fromkeys(ErrorCounts.__struct_encode_fields__, 0)
        self._latency = Distribution()
        self._lag = Distribution()

    async def run(self) -> None:
        threading.Thread(target=self._read_input, args=(asyncio.get_running_loop(),), daemon=True).start()
        gc.freeze()  # a garbage collection delays requests: keep the imported modules out of it, and make it rare
        gc.set_threshold(50_000, 20, 20)
        self._cpu_start = time.process_time()
        self._start = time.monotonic()
        self._report()
        reporting = asyncio.create_task(self._report_each_second())
        await self._send()
        await self._finish()
        reporting.cancel()
        if self._error:
            raise self._error
        self._report(final=True)

    async def _send(self) -> None:
        """Send each request when it is due, until the schedule ends or `_stop` is set."""
        schedule, number, due = self._schedule, 0, self._start
        end, last = self._start + schedule.duration, schedule.offered(schedule.duration)
        while not self._stop.is_set() and ((now := time.monotonic()) < end or number < last):
            while due <= now and number < last:
                self._dispatch(due)
                number += 1
                due = self._start + schedule.due(number)
            if self._rate != schedule.rate:  # after the requests that were due at the old rate
                schedule = schedule.changed(now - self._start, self._rate)
                last = schedule.offered(schedule.duration)
                due = self._start + schedule.due(number)
            await asyncio.sleep(min(max(due - now, TICK_SECONDS), WAKE_SECONDS))

    def _dispatch(self, due: float) -> None:
        self._offered += 1
        if len(self._tasks) >= MOST_IN_FLIGHT:
            self._dropped += 1
            return
        self._sent += 1
        task = asyncio.create_task(self._request(due))
        self._tasks.add(task)
        task.add_done_callback(self._request_done)

    async def _request(self, due: float) -> None:
        self._lag.add(time.monotonic() - due)
        try:
            async with self._session.get(self._url, allow_redirects=False) as response:
                await _drain(response.content)
                status = response.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            self._errors["connect"] += 1
            return
        except TimeoutError:
            self._errors["timeout"] += 1
        except (aiohttp.ClientError, OSError, ValueError):
            self._errors["broken"] += 1
        else:
            self._answered += 1
            if not 200 <= status < 300:
                self._errors["5xx" if status >= 500 else "other"] += 1
        self._latency.add(time.monotonic() - due)

    def _request_done(self, task: asyncio.Task[None]) -> None:
        """Stop at an exception that `_request` does not expect: a bug of this program."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._error = error
            self._stop.set()

    def _read_input(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read new rates from stdin, in a thread of its own, until it ends, has "stop" or an invalid line."""
        try:
            with open(0, "rb", buffering=0, closefd=False) as lines:  # at exit, a buffer locked by this thread is fatal
                while (rate := _read_rate(lines.readline(LONGEST_LINE))) is not None:
                    self._rate = rate
        except InvalidOption as error:
            self._error = error
        loop.call_soon_threadsafe(self._stop.set)

    async def _finish(self) -> None:
        """Wait for requests in flight up to their deadline, or STOP_SECONDS after a stop."""
        stopped = asyncio.create_task(self._stop.wait())
        answered = asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.wait((stopped, answered), timeout=ANSWER_SECONDS + 1, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done() and not answered.done():
            await asyncio.wait((answered,), timeout=STOP_SECONDS)
        stopped.cancel()
        answered.cancel()  # their outcome is unknown: the last sample counts them as in flight

    async def _report_each_second(self) -> None:
        second = 0
        while True:
            second = max(second, int(time.monotonic() - self._start)) + 1
            await asyncio.sleep(self._start + second - time.monotonic())
            self._report()

    def _report(self, final: bool = False) -> None:
        p50, p99, whole_p50, whole_p99 = self._latency.percentiles(50, 99)
        lag, whole_lag = self._lag.percentiles(99)
        errors = msgspec.convert(self._errors, ErrorCounts)
        sample = LoadSample(
            elapsed=time.monotonic() - self._start,
            offered=self._offered,
            sent=self._sent,
            dropped=self._dropped,
            answered=self._answered,
            errors=errors,
            in_flight=self._sent - self._answered - errors.unanswered,
            connections=self._connections.open(),
            p50_ms=p50,
            p99_ms=p99,
            whole_p50_ms=whole_p50,
            whole_p99_ms=whole_p99,
            lag_p99_ms=lag,
            whole_lag_p99_ms=whole_lag,
            cpu_seconds=round(time.process_time() - self._cpu_start, 4),
            final=final,
        )
        os.write(sys.stdout.fileno(), msgspec.json.encode(sample) + b"\n")


class Connections:
    """The open connections. Each is closed after CONNECTION_SECONDS or CONNECTION_REQUESTS."""

    def __init__(self) -> None:
        self._uses: WeakKeyDictionary[ResponseHandler, tuple[float, int]] = WeakKeyDictionary()  # (opened, requests)

    def response_class(self) -> type[aiohttp.ClientResponse]:
        """Return a response class that counts each response on its connection."""
        use = self._use

        class CountedResponse(aiohttp.ClientResponse):
            async def start(self, connection: Connection) -> aiohttp.ClientResponse:
                if connection.protocol is not None:
                    use(connection.protocol)
                return await super().start(connection)

        return CountedResponse

    def open(self) -> int:
        return sum(protocol.is_connected() for protocol in list(self._uses))

    def _use(self, protocol: ResponseHandler) -> None:
        now = time.monotonic()
        opened, requests = self._uses.get(protocol, (now, 0))
        self._uses[protocol] = opened, requests + 1
        if requests + 1 >= CONNECTION_REQUESTS or now - opened >= CONNECTION_SECONDS:
            protocol.force_close()  # takes effect after the response


class Distribution:
    """Two histograms of durations: of the current second, and of the whole load."""

    def __init__(self) -> None:
        self._second = HdrHistogram(1, LONGEST_US, DIGITS)
        self._whole = HdrHistogram(1, LONGEST_US, DIGITS)

    def add(self, seconds: float) -> None:
        self._second.record_value(min(int(seconds * 1e6), LONGEST_US))

    def percentiles(self, *wanted: int) -> list[float | None]:
        """Return the percentiles in ms of the current second, then of the whole load. Start the next second."""
        self._whole.add(self._second)
        values = [_milliseconds(each, percent) for each in (self._second, self._whole) for percent in wanted]
        self._second.reset()
        return values


class Sink(asyncio.Protocol):
    """The self-test's server. It takes each received segment for one request: the generator's are that small."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(SINK_RESPONSE)  # type: ignore[attr-defined]


async def _drain(content: aiohttp.StreamReader) -> None:
    size = 0
    while chunk := await content.readany():
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise ValueError("the response is too large")


def _milliseconds(histogram: HdrHistogram, percent: int) -> float | None:
    if not histogram.get_total_count():
        return None
    value: int = histogram.get_value_at_percentile(percent)
    return round(value / 1000, 3)


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process with its parent (Linux). Elsewhere, the end of stdin ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("The parent process has already exited.")


def _read_rate(line: bytes) -> float | None:
    """Return the rate; None for "stop", and at the end of stdin, which may cut a line off. Raise InvalidOption."""
    if line == b"stop\n" or (len(line) < LONGEST_LINE and not line.endswith(b"\n")):
        return None
    try:
        rate: float = msgspec.json.decode(line, type=float)
    except msgspec.MsgspecError:
        raise InvalidOption("A load's input must be a rate or 'stop' on each line.") from None
    check_rate(rate)
    return rate


if __name__ == "__main__":
    main(sys.argv[1:])
