"""The load itself, a process: `python -m dashboard.load.generator '{"url": "http://…", "rate": 100, "duration": 10}'`.

GETs one URL at the moments of its schedule, and writes a line of JSON (a `LoadSample`) each second: the first when it
begins, the last with `final`. A number on a line of its input is a new rate, in requests a second. It ends with its
schedule, at a line that says "stop", with its input, and with its parent; any other line is a fault. Without a url it
loads a sink in itself: what this machine can carry, with nobody else to blame.

A GET that meets a connection which the server has just closed is sent once more, as HTTP has it.
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
from dashboard.load.options import MOST_IN_FLIGHT, ErrorCounts, LoadOptions, LoadSample, check_rate

LIFE_SECONDS = 2.0  # of a connection: the Service gives each to one pod, and new pods must get their share
LIFE_REQUESTS = 50
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0  # for all of a request
STOP_SECONDS = 0.5  # for those under way, once it was told to stop
SPARE_SECONDS = 10.0  # after which a process that should have ended is ended by the kernel
TICK_SECONDS = 0.001  # the event loop's timers know no less
WAKE_SECONDS = 0.02  # within which a new rate is taken up, however long it is until the next request
LONGEST_LINE = 64  # bytes of its input
LARGEST_ANSWER = 4 << 20  # bytes
LONGEST_US = 60_000_000
DIGITS = 2  # of a latency that are exact: more would make its percentiles dear to find
PR_SET_PDEATHSIG = 1

SINK_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2048\r\n\r\n" + b" " * 2048


def main(arguments: list[str]) -> None:
    """Runs one load, or says on stderr why not."""
    _die_with_parent(os.getppid())
    try:
        given = msgspec.json.decode(arguments[0], type=dict[str, Any])
        url = given.pop("url", None)
        options = LoadOptions.read(given)
    except (InvalidOption, IndexError, msgspec.MsgspecError) as error:
        sys.exit(f"There is nothing to load: {error}")
    signal.setitimer(signal.ITIMER_REAL, options.duration + ANSWER_SECONDS + SPARE_SECONDS)
    try:
        uvloop.run(_load(url, options))
    except InvalidOption as error:
        sys.exit(str(error))


async def _load(url: str | None, options: LoadOptions) -> None:
    sink = None if url else await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    address = url or f"http://127.0.0.1:{sink.sockets[0].getsockname()[1]}/"  # type: ignore[union-attr]
    connections = Connections()
    connector = aiohttp.TCPConnector(limit=options.connections, keepalive_timeout=LIFE_SECONDS)
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
    """One load."""

    def __init__(
        self, session: aiohttp.ClientSession, connections: "Connections", url: str, options: LoadOptions
    ) -> None:
        self._session = session
        self._connections = connections
        self._url = url
        self._schedule = options.schedule()
        self._rate = options.rate  # as it was last told
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self._began = self._worked = 0.0
        self._offered = self._sent = self._dropped = self._answered = 0
        self._errors = dict.fromkeys(ErrorCounts.__struct_encode_fields__, 0)
        self._latency = Distribution()
        self._lag = Distribution()

    async def run(self) -> None:
        threading.Thread(target=self._read_input, args=(asyncio.get_running_loop(),), daemon=True).start()
        gc.freeze()  # what was imported stays; and a collection in the middle would be a lag
        gc.set_threshold(50_000, 20, 20)
        self._worked = time.process_time()
        self._began = time.monotonic()
        self._tell()
        telling = asyncio.create_task(self._tell_each_second())
        await self._send()
        await self._finish()
        telling.cancel()
        if self._fault:
            raise self._fault
        self._tell(final=True)

    async def _send(self) -> None:
        """Sends what is due, until all is or it was told to stop."""
        schedule, number, due = self._schedule, 0, self._began
        end, last = self._began + schedule.duration, schedule.offered(schedule.duration)
        while not self._stop.is_set() and ((now := time.monotonic()) < end or number < last):
            while due <= now and number < last:
                self._offer(due)
                number += 1
                due = self._began + schedule.due(number)
            if self._rate != schedule.rate:  # here, where all that was due before it is sent
                schedule = schedule.changed(now - self._began, self._rate)
                last = schedule.offered(schedule.duration)
                due = self._began + schedule.due(number)
            await asyncio.sleep(min(max(due - now, TICK_SECONDS), WAKE_SECONDS))

    def _offer(self, due: float) -> None:
        self._offered += 1
        if len(self._tasks) >= MOST_IN_FLIGHT:
            self._dropped += 1
            return
        self._sent += 1
        task = asyncio.create_task(self._request(due))
        self._tasks.add(task)
        task.add_done_callback(self._end)

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

    def _end(self, task: asyncio.Task[None]) -> None:
        """What `_request` has no name for is a fault of this program, and ends it."""
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            self._fault = fault
            self._stop.set()

    def _read_input(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes new rates, in a thread of its own, until the input ends or says something else."""
        try:
            with open(0, "rb", buffering=0, closefd=False) as lines:  # a buffer's lock would break the exit
                while (rate := _read_rate(lines.readline(LONGEST_LINE))) is not None:
                    self._rate = rate
        except InvalidOption as fault:
            self._fault = fault
        loop.call_soon_threadsafe(self._stop.set)

    async def _finish(self) -> None:
        """Waits for what is under way: as long as an answer may take, but not after a word to stop."""
        stopped = asyncio.create_task(self._stop.wait())
        answered = asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.wait((stopped, answered), timeout=ANSWER_SECONDS + 1, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done() and not answered.done():
            await asyncio.wait((answered,), timeout=STOP_SECONDS)
        stopped.cancel()
        answered.cancel()  # what becomes of these is not known: they stay counted as under way

    async def _tell_each_second(self) -> None:
        second = 0
        while True:
            second = max(second, int(time.monotonic() - self._began)) + 1
            await asyncio.sleep(self._began + second - time.monotonic())
            self._tell()

    def _tell(self, final: bool = False) -> None:
        p50, p99, whole_p50, whole_p99 = self._latency.percentiles(50, 99)
        lag, whole_lag = self._lag.percentiles(99)
        errors = msgspec.convert(self._errors, ErrorCounts)
        sample = LoadSample(
            elapsed=time.monotonic() - self._began,
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
            cpu_seconds=round(time.process_time() - self._worked, 4),
            final=final,
        )
        os.write(sys.stdout.fileno(), msgspec.json.encode(sample) + b"\n")


class Connections:
    """Counts what each has carried, and has it closed when that is enough."""

    def __init__(self) -> None:
        self._uses: WeakKeyDictionary[ResponseHandler, tuple[float, int]] = WeakKeyDictionary()  # since when, how many

    def response_class(self) -> type[aiohttp.ClientResponse]:
        """A response that tells which connection it comes by."""
        use = self._use

        class Response(aiohttp.ClientResponse):
            async def start(self, connection: Connection) -> aiohttp.ClientResponse:
                if connection.protocol is not None:
                    use(connection.protocol)
                return await super().start(connection)

        return Response

    def open(self) -> int:
        return sum(protocol.is_connected() for protocol in list(self._uses))

    def _use(self, protocol: ResponseHandler) -> None:
        now = time.monotonic()
        born, used = self._uses.get(protocol, (now, 0))
        self._uses[protocol] = born, used + 1
        if used + 1 >= LIFE_REQUESTS or now - born >= LIFE_SECONDS:
            protocol.force_close()  # once the answer is there


class Distribution:
    """Milliseconds: those of the second that runs, and all."""

    def __init__(self) -> None:
        self._second = HdrHistogram(1, LONGEST_US, DIGITS)
        self._whole = HdrHistogram(1, LONGEST_US, DIGITS)

    def add(self, seconds: float) -> None:
        self._second.record_value(min(int(seconds * 1e6), LONGEST_US))

    def percentiles(self, *wanted: int) -> list[float | None]:
        """Of the second, then of all; the next second begins."""
        self._whole.add(self._second)
        found = [_milliseconds(each, percent) for each in (self._second, self._whole) for percent in wanted]
        self._second.reset()
        return found


class Sink(asyncio.Protocol):
    """Answers at once, and always the same: requests here are small, and come in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(SINK_ANSWER)  # type: ignore[attr-defined]


async def _drain(content: aiohttp.StreamReader) -> None:
    size = 0
    while chunk := await content.readany():
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise ValueError("too large an answer")


def _milliseconds(histogram: HdrHistogram, percent: int) -> float | None:
    if not histogram.get_total_count():
        return None
    value: int = histogram.get_value_at_percentile(percent)
    return round(value / 1000, 3)


def _die_with_parent(parent: int) -> None:
    """The kernel sees to it on Linux; everywhere, the end of the input does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("The parent has ended already.")


def _read_rate(line: bytes) -> float | None:
    """None at the word to stop, and at the end of the input: what that cut off is no rate."""
    if line == b"stop\n" or (len(line) < LONGEST_LINE and not line.endswith(b"\n")):
        return None
    try:
        rate: float = msgspec.json.decode(line, type=float)
    except msgspec.MsgspecError:
        raise InvalidOption("A load's input must be a rate a line, or the word to stop.") from None
    check_rate(rate)
    return rate


if __name__ == "__main__":
    main(sys.argv[1:])
