"""The load generator's highest rate on one core, beside wrk and ab, and what each reports of a server that freezes.

A trivial server runs on one core of this machine, and one client at a time on another.
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

from bench.fake_pods import Say
from dashboard.load.options import LoadOptions, LoadTotals
from dashboard.load.process import GeneratorProcess
from dashboard.load.progress import LoadProgress
from tools.cluster import host
from tools.cluster.errors import HostError
from tools.cluster.instance import CHECKOUT

RATES = (500, 750, 1000, 1250, 1500, 1750, 2000)  # tried upwards, until one is not sent on time
TRIES = 2  # for each rate: another program may have used the core
TRY_SECONDS = 4.0
ON_TIME_MS = 10.0  # the p99 of the dispatch lag must be below
CONNECTIONS = 50
PEER_SECONDS = 5
FREEZE_EVERY, FREEZE_SECONDS = 6.0, 1.0
FREEZE_RATE = 200
FREEZE_CONNECTIONS = 10
FREEZE_TRIAL = 12  # seconds, with two freezes
PEERS = {"wrk": "wrk", "ab": "apache2-utils"}  # {command: Debian package}
CORRECTED = {"wrk": " (estimates coordinated omission and corrects for it)"}

RESPONSE = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2048\r\n\r\n" + b" " * 2048


@dataclass
class PeerFigures:
    rate: float  # requests a second
    p99_ms: float


@dataclass
class LoadResult:
    tried: dict[int, LoadTotals] = field(default_factory=dict)  # {rate: the better of its tries}
    peers: dict[str, PeerFigures] = field(default_factory=dict)
    frozen: LoadTotals = field(default_factory=LoadTotals)
    frozen_peers: dict[str, PeerFigures] = field(default_factory=dict)

    def sustained(self) -> int | None:
        """Return the highest rate up to which all were sent on time, or None."""
        sustained = None
        for rate, totals in self.tried.items():
            if not _on_time(totals):
                break
            sustained = rate
        return sustained


def measure(say: Say) -> LoadResult:
    result = LoadResult()
    peers = _install_peers(say)
    client, server = cores()
    with _server(server) as url, pinned(client):
        for rate in RATES:
            say(f"{rate} requests a second, {TRY_SECONDS:.0f} s")
            result.tried[rate] = _best(url, rate)
            if not _on_time(result.tried[rate]):
                break
        for name in peers:
            say(f"{name}, as fast as it can, {PEER_SECONDS} s")
            result.peers[name] = _run_peer(name, url, PEER_SECONDS, CONNECTIONS)
    say(f"a server that freezes for {FREEZE_SECONDS:.0f} s in every {FREEZE_EVERY:.0f} s, {FREEZE_TRIAL} s each")
    with _server(server, "freezing") as url, pinned(client):
        result.frozen = _generate(url, FREEZE_RATE, FREEZE_TRIAL)
    for name in peers:
        with _server(server, "freezing") as url, pinned(client):
            result.frozen_peers[name] = _run_peer(name, url, FREEZE_TRIAL, FREEZE_CONNECTIONS)
    return result


def report(result: LoadResult) -> str:
    sustained = result.sustained()
    best = result.tried[sustained] if sustained else LoadTotals()
    limit = "the highest tried" if sustained == RATES[-1] else "higher rates are late"
    rate = f"{sustained:,} ({limit})" if sustained else f"fewer than {RATES[0]}"
    lines = [
        f"| one core, {CONNECTIONS} connections, one server | requests a second | dispatch p99 | responses p99 | CPU |",
        "| --- | --- | --- | --- | --- |",
        f"| the load generator, open loop, dispatch p99 under {ON_TIME_MS:.0f} ms | {rate} | {_ms(best.lag_p99_ms)} "
        f"| {_ms(best.p99_ms)} | {best.cpu_percent or 0:.0f} % |",
        *(
            f"| {name}, closed loop: waits for each response | {_rate(peer)} | has none | {_peer_ms(peer)} | |"
            for name, peer in _with_missing(result.peers)
        ),
        "",
        f"| a server that freezes for {FREEZE_SECONDS:.0f} s in every {FREEZE_EVERY:.0f} s | p99 | requests |",
        "| --- | --- | --- |",
        f"| the load generator, {FREEZE_RATE} a second | {_ms(result.frozen.p99_ms)} | {result.frozen.achieved:,} |",
        *(
            f"| {name}{CORRECTED.get(name, '')}, {FREEZE_CONNECTIONS} connections | {_peer_ms(peer)} "
            f"| {f'{peer.rate * FREEZE_TRIAL:,.0f}' if peer else '—'} |"
            for name, peer in _with_missing(result.frozen_peers)
        ),
    ]
    return "\n".join(lines)


def _best(url: str, rate: int) -> LoadTotals:
    """Return the try with the lowest dispatch lag; the first, if it was on time."""
    found: list[LoadTotals] = []
    while len(found) < TRIES and not any(_on_time(totals) for totals in found):
        found.append(_generate(url, rate, TRY_SECONDS))
    return min(found, key=lambda totals: totals.lag_p99_ms or float("inf"))


def _on_time(totals: LoadTotals) -> bool:
    lag = totals.lag_p99_ms
    return lag is not None and lag < ON_TIME_MS and totals.achieved == totals.offered and not totals.errors


def _generate(url: str, rate: int, seconds: float) -> LoadTotals:
    """Run the dashboard's load generator, as the dashboard starts it."""
    progress = LoadProgress(LoadOptions(rate=rate, duration=seconds, connections=CONNECTIONS), "bench")
    process = GeneratorProcess(url, progress, lambda: None, lambda problem: None)
    process.start()
    process.join()
    if process.problem:
        raise RuntimeError(process.problem)
    return progress.totals()


def _run_peer(name: str, url: str, seconds: int, connections: int) -> PeerFigures:
    commands = {
        "wrk": ("wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "--timeout", "10s", "--latency", url),
        "ab": ("ab", "-q", "-k", "-c", str(connections), "-t", str(seconds), "-n", "10000000", url),
    }
    done = subprocess.run(commands[name], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    text = done.stdout
    rate = re.search(r"Requests(?:/sec| per second): +([\d.]+)", text)
    slowest = re.search(r"^ +99% +([\d.]+)(us|ms|s)?$", text, re.MULTILINE)
    if not rate or not slowest:
        raise RuntimeError(f"Unexpected output of {name}:\n{text}")
    return PeerFigures(float(rate[1]), float(slowest[1]) * {"us": 0.001, "s": 1000.0}.get(slowest[2], 1.0))


def _install_peers(say: Say) -> list[str]:
    """Install missing peers. Return those that are installed, and name the others."""
    try:
        host.install(host.missing_tools(PEERS), say)
    except HostError as error:
        say(str(error))
    found = [name for name in PEERS if not host.missing_tools({name: PEERS[name]})]
    for name in PEERS.keys() - set(found):
        say(f"{name} is left out: it is not installed")
    return found


def cores() -> tuple[int, int]:
    """Return the core for the clients and the core for the server, which are the same on a machine with one core."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Pin this process, and the processes that it starts meanwhile, to a core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _server(core: int, *options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.load", str(core), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"  # type: ignore[union-attr]
        finally:
            process.kill()


class ConstantServer(asyncio.Protocol):
    """Server with a constant response. Requests are small, so each arrives whole; several may arrive at once."""

    freezing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.freezing and (phase := time.monotonic() % FREEZE_EVERY) >= FREEZE_EVERY - FREEZE_SECONDS:
            time.sleep(FREEZE_EVERY - phase)
        self._transport.write(RESPONSE * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(ConstantServer, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until the benchmark's process ends


def _with_missing(peers: dict[str, PeerFigures]) -> list[tuple[str, PeerFigures | None]]:
    return [(name, peers.get(name)) for name in PEERS]


def _rate(peer: PeerFigures | None) -> str:
    return f"{peer.rate:,.0f}" if peer else "not installed"


def _peer_ms(peer: PeerFigures | None) -> str:
    return _ms(peer.p99_ms) if peer else "—"


def _ms(milliseconds: float | None) -> str:
    return "—" if milliseconds is None else f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    ConstantServer.freezing = "freezing" in sys.argv
    uvloop.run(_serve())
