"""What the load generator carries on one core, beside wrk and ab; and who sees a server that stands still.

Everything runs on this machine alone: a server that costs next to nothing on one core, its clients on the other, one at
a time.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvloop

from bench.crowd import Say
from dashboard.load.options import LoadOptions, LoadTotals
from dashboard.load.process import GeneratorProcess
from dashboard.load.progress import LoadProgress
from tools.cluster import host
from tools.cluster.errors import HostError
from tools.cluster.instance import CHECKOUT

RATES = (500, 750, 1000, 1250, 1500, 1750, 2000)  # upwards, until one is too much
TRIES = 2  # of a rate: something else may have had the core
TRY_SECONDS = 4.0
ON_TIME_MS = 10.0  # of dispatch, p99
CONNECTIONS = 50
PEER_SECONDS = 5
FREEZE_EVERY, FREEZE_SECONDS = 6.0, 1.0
FREEZE_RATE = 200
FREEZE_CONNECTIONS = 10
FREEZE_TRIAL = 12  # seconds: two of them
PEERS = {"wrk": "wrk", "ab": "apache2-utils"}  # {command: Debian package}
CORRECTED = {"wrk": " (it adds what it estimates that it did not send)"}

ANSWER = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2048\r\n\r\n" + b" " * 2048


@dataclass
class Peer:
    rate: float  # requests a second
    p99_ms: float


@dataclass
class Result:
    tried: dict[int, LoadTotals] = field(default_factory=dict)  # rate → the better of its tries
    peers: dict[str, Peer] = field(default_factory=dict)
    frozen: LoadTotals = field(default_factory=LoadTotals)
    frozen_peers: dict[str, Peer] = field(default_factory=dict)

    def sustained(self) -> int | None:
        """The highest rate that was sent on time, with none below it that was not."""
        carried = None
        for rate, totals in self.tried.items():
            if not _on_time(totals):
                break
            carried = rate
        return carried


def measure(say: Say) -> Result:
    result = Result()
    peers = _peers(say)
    client, server = cores()
    with _serving(server) as url, pinned(client):
        for rate in RATES:
            say(f"{rate} requests a second, {TRY_SECONDS:.0f} s")
            result.tried[rate] = _best(url, rate)
            if not _on_time(result.tried[rate]):
                break
        for name in peers:
            say(f"{name}, as fast as it can, {PEER_SECONDS} s")
            result.peers[name] = _ask(name, url, PEER_SECONDS, CONNECTIONS)
    say(f"a server that stands still {FREEZE_SECONDS:.0f} s in every {FREEZE_EVERY:.0f}, {FREEZE_TRIAL} s each")
    with _serving(server, "freezing") as url, pinned(client):
        result.frozen = _generate(url, FREEZE_RATE, FREEZE_TRIAL)
    for name in peers:
        with _serving(server, "freezing") as url, pinned(client):
            result.frozen_peers[name] = _ask(name, url, FREEZE_TRIAL, FREEZE_CONNECTIONS)
    return result


def report(result: Result) -> str:
    sustained = result.sustained()
    best = result.tried[sustained] if sustained else LoadTotals()
    most = "as many as it may" if sustained == RATES[-1] else "more is late"
    carried = f"{sustained:,} ({most})" if sustained else f"fewer than {RATES[0]}"
    lines = [
        f"| one core, {CONNECTIONS} connections, one server | requests a second | dispatch p99 | answers p99 | CPU |",
        "| --- | --- | --- | --- | --- |",
        f"| the load generator, open loop, dispatch p99 under {ON_TIME_MS:.0f} ms | {carried} | {_ms(best.lag_p99_ms)} "
        f"| {_ms(best.p99_ms)} | {best.cpu_percent or 0:.0f} % |",
        *(
            f"| {name}, closed loop: sends when an answer is there | {_rate(peer)} | has none | {_peer_ms(peer)} | |"
            for name, peer in _all(result.peers)
        ),
        "",
        f"| p99 with a server that stands still {FREEZE_SECONDS:.0f} s in every {FREEZE_EVERY:.0f} | p99 | requests |",
        "| --- | --- | --- |",
        f"| the load generator, {FREEZE_RATE} a second | {_ms(result.frozen.p99_ms)} | {result.frozen.achieved:,} |",
        *(
            f"| {name}{CORRECTED.get(name, '')}, {FREEZE_CONNECTIONS} connections | {_peer_ms(peer)} "
            f"| {f'{peer.rate * FREEZE_TRIAL:,.0f}' if peer else '—'} |"
            for name, peer in _all(result.frozen_peers)
        ),
    ]
    return "\n".join(lines)


def _best(url: str, rate: int) -> LoadTotals:
    """The try that was the most punctual; the first, if that was punctual enough."""
    found: list[LoadTotals] = []
    while len(found) < TRIES and not any(_on_time(totals) for totals in found):
        found.append(_generate(url, rate, TRY_SECONDS))
    return min(found, key=lambda totals: totals.lag_p99_ms or float("inf"))


def _on_time(totals: LoadTotals) -> bool:
    lag = totals.lag_p99_ms
    return lag is not None and lag < ON_TIME_MS and totals.achieved == totals.offered and not totals.errors


def _generate(url: str, rate: int, seconds: float) -> LoadTotals:
    """The dashboard's own generator, as the dashboard starts it."""
    course = LoadProgress(LoadOptions(rate=rate, duration=seconds, connections=CONNECTIONS), "bench")
    child = GeneratorProcess(url, course, lambda: None, lambda problem: None)
    child.start()
    child.join()
    if child.problem:
        raise RuntimeError(child.problem)
    return course.totals()


def _ask(name: str, url: str, seconds: int, connections: int) -> Peer:
    commands = {
        "wrk": ("wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "--timeout", "10s", "--latency", url),
        "ab": ("ab", "-q", "-k", "-c", str(connections), "-t", str(seconds), "-n", "10000000", url),
    }
    done = subprocess.run(commands[name], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    text = done.stdout
    rate = re.search(r"Requests(?:/sec| per second): +([\d.]+)", text)
    slowest = re.search(r"^ +99% +([\d.]+)(us|ms|s)?$", text, re.MULTILINE)
    if not rate or not slowest:
        raise RuntimeError(f"{name} said:\n{text}")
    return Peer(float(rate[1]), float(slowest[1]) * {"us": 0.001, "s": 1000.0}.get(slowest[2], 1.0))


def _peers(say: Say) -> list[str]:
    """Those that can be had: a missing one is installed, or left out and named."""
    try:
        host.install(host.missing_tools(PEERS), say)
    except HostError as error:
        say(str(error))
    found = [name for name in PEERS if not host.missing_tools({name: PEERS[name]})]
    for name in PEERS.keys() - set(found):
        say(f"{name} is left out: it is not here")
    return found


def cores() -> tuple[int, int]:
    """One for the clients and one for the server; the same, where there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started meanwhile runs on this core alone, and so do we."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _serving(core: int, *how: str) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.load", str(core), *how]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"  # type: ignore[union-attr]
        finally:
            process.kill()


class Served(asyncio.Protocol):
    """Requests are small here, and come whole; several may come at once."""

    freezing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.freezing and (phase := time.monotonic() % FREEZE_EVERY) >= FREEZE_EVERY - FREEZE_SECONDS:
            time.sleep(FREEZE_EVERY - phase)
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Served, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until the bench has ended, however it did


def _all(peers: dict[str, Peer]) -> list[tuple[str, Peer | None]]:
    return [(name, peers.get(name)) for name in PEERS]


def _rate(peer: Peer | None) -> str:
    return f"{peer.rate:,.0f}" if peer else "not here"


def _peer_ms(peer: Peer | None) -> str:
    return _ms(peer.p99_ms) if peer else "—"


def _ms(milliseconds: float | None) -> str:
    return "—" if milliseconds is None else f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    Served.freezing = "freezing" in sys.argv
    uvloop.run(_serve())
