"""The data service beside alternatives: Eve, a plain Flask with PyMongo, Flask alone, the driver alone.

All run on this machine, without Kubernetes: a server on one core, wrk and mongod on another. The servers take turns in
several rounds, so that other load on the machine affects all of them.
"""

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from bson import ObjectId
from pymongo import MongoClient, WriteConcern

from bench import pod, wrk
from bench.fake_pods import Say
from bench.load import cores, pinned
from bench.pod import GunicornServer, running
from tools.cluster import host
from tools.cluster.instance import CHECKOUT, cache_directory
from tools.local.mongod import Mongod

OURS, SAMPLE, EVE = "the data service", "plain Flask + PyMongo", "Eve 2.3.1"
DISTINCT = "the data service, no two requests alike"  # so that single-flight never applies
BARE, FLOOR = "bare Flask, the same bytes", "driver and orjson, no HTTP: the floor"
CONCERN = {OURS: "majority, journaled", SAMPLE: "MongoDB's default: majority", EVE: "its own default: w=1"}
ROUNDS = 3
SECONDS = 3  # for each turn
FLOOR_SECONDS = 1.5
CONNECTIONS = 8
DOCUMENTS, MANY = 1_000, 100_000  # stored during the reads
PAGE = 20
DEEP_LIMIT, DEEP_PAGE, DEEP_DOCUMENTS = 100, 10_000, 1_000_100
DEEP_SAMPLES = 400
BATCH = 50_000
SOAK_SECONDS = 40
WARM_UP_SECONDS = 10
STARTS = 3
LARGEST_MIB, SLOWEST_START = 80, 3.0
POSTED = '{"sensor":"greenhouse-7","value":21.5,"unit":"C","ok":true}'


@dataclass
class ServerFigures:
    """The figures of one server, one for each round."""

    rate: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def add(self, result: wrk.WrkResult, cpu_seconds: float) -> None:
        self.rate.append(result.rate)
        self.p99_ms.append(result.p99_ms)
        self.cpu_us.append(cpu_seconds / result.count * 1e6)


FiguresByServer = dict[str, ServerFigures]


@dataclass
class ServiceResult:
    reads: FiguresByServer = field(default_factory=dict)
    writes: FiguresByServer = field(default_factory=dict)
    many_reads: FiguresByServer = field(default_factory=dict)
    floor_us: list[float] = field(default_factory=list)
    page_bytes: int = 0
    pages_ms: dict[int, list[float]] = field(default_factory=dict)  # {page number: …}
    memory: dict[float, float] = field(default_factory=dict)  # {seconds: MiB}
    starts: list[float] = field(default_factory=list)  # seconds
    limited_reads: FiguresByServer = field(default_factory=dict)
    limited_writes: FiguresByServer = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)  # parts that were not measured, with the reason


@dataclass
class Requirement:
    name: str
    bound: str
    figure: str
    met: bool | None  # None: not measured


def measure(say: Say) -> ServiceResult:
    result = ServiceResult()
    _install_wrk(say)
    eve = _install_eve(say, result.skipped)
    client, server = cores()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stack.enter_context(pinned(client))
        mongod = stack.enter_context(Mongod(directory / "mongod"))
        mongo: Any = stack.enter_context(MongoClient(mongod.uri))
        setup = _Setup(directory, server, mongod, mongo, eve)
        _measure_speed(setup, result, say)
        _measure_pages(setup, result, say)
        _measure_memory(setup, result, say)
        if why := pod.limits_missing():
            result.skipped.append(f"the pod's own limits: {why}")
        else:
            _measure_limited(setup, result, say)
    for each in result.skipped:
        say(f"left out: {each}")
    return result


def report(result: ServiceResult) -> str:
    reads, writes = result.reads, result.writes
    floor = statistics.median(result.floor_us)
    ours = statistics.median(reads[OURS].cpu_us)
    size = f"{PAGE} documents ({result.page_bytes:,} bytes)"
    lines = [
        f"One core for the server, {CONNECTIONS} connections, {DOCUMENTS:,} documents stored; medians of {ROUNDS} "
        f"turns of {SECONDS} s each. All servers: gunicorn, gthread, 16 threads.",
        "",
        f"| GET of {size} | requests a second | p99 | CPU a request | of the floor |",
        "| --- | --- | --- | --- | --- |",
        f"| {FLOOR} | | | {floor:.0f} µs | 1 |",
        *(
            f"| {name} {_row(figures)} | {_median(figures.cpu_us):.0f} µs | {_median(figures.cpu_us) / floor:.1f} |"
            for name, figures in reads.items()
        ),
        "",
        f"| GET of {PAGE} documents, {MANY:,} stored (one turn) | requests a second | p99 |",
        "| --- | --- | --- |",
        *(f"| {name} {_row(figures)} |" for name, figures in result.many_reads.items()),
        "",
        "| POST of one small document | write concern | requests a second | p99 | CPU a request |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {CONCERN[name]} {_row(figures)} | {_median(figures.cpu_us):.0f} µs |"
            for name, figures in writes.items()
        ),
        "",
        "| under the pod's own limits (400m, 256 MiB) | GET a second | p99 | POST a second | p99 |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {name} {_row(figures)} {_row(result.limited_writes[name])} |"
            for name, figures in result.limited_reads.items()
        ),
        "",
        "| requirement | bound | measured | |",
        "| --- | --- | --- | --- |",
        *(
            f"| {each.name} | {each.bound} | {each.figure} | {_verdict(each)} |"
            for each in _requirements(result, ours / floor)
        ),
        *(f"\nLeft out: {each}." for each in result.skipped),
    ]
    return "\n".join(lines)


def _requirements(result: ServiceResult, share: float) -> Iterator[Requirement]:
    yield Requirement("CPU of a GET, times the floor", "≤ 2.2", f"{share:.2f}", share <= 2.2)
    for name, figures, other, least in (
        (f"GETs a second, {DOCUMENTS:,} documents stored", result.reads, EVE, 20),
        (f"GETs a second, {MANY:,} documents stored", result.many_reads, EVE, 20),
        (f"GETs a second, {DOCUMENTS:,} documents stored", result.reads, SAMPLE, 1.2),
        ("POSTs a second", result.writes, EVE, 2),
        ("POSTs a second", result.writes, SAMPLE, 1),
        ("GETs a second under the limits", result.limited_reads, EVE, 20),
        ("GETs a second under the limits", result.limited_reads, SAMPLE, 1.2),
        ("POSTs a second under the limits", result.limited_writes, EVE, 2),
        ("POSTs a second under the limits", result.limited_writes, SAMPLE, 1),
    ):
        measured = {OURS, other} <= figures.keys()
        times = _median(figures[OURS].rate) / _median(figures[other].rate) if measured else None
        figure = "not measured" if times is None else f"{times:.2f} times" if times < 10 else f"{times:.0f} times"
        met = None if times is None else times >= least
        yield Requirement(f"{name}, beside {other}", f"≥ {least} times", figure, met)
    first, deep = (_median(result.pages_ms[page]) for page in (1, DEEP_PAGE))
    difference = abs(deep / first - 1)
    figure = f"{first:.2f} ms and {deep:.2f} ms: {100 * (deep / first - 1):+.0f} %"
    name = f"page {DEEP_PAGE:,} of {DEEP_DOCUMENTS:,} documents as fast as page 1"
    yield Requirement(name, "± 20 %", figure, difference <= 0.2)
    last = list(result.memory.values())[-1]
    slope, error = _slope(result.memory)
    figure = f"{last:.0f} MiB ({slope:+.1f} ± {error:.1f} MiB an hour over {SOAK_SECONDS - WARM_UP_SECONDS} s)"
    name = "memory of the pod's processes after reads and writes"
    yield Requirement(name, f"≤ {LARGEST_MIB} MiB", figure, last <= LARGEST_MIB)
    started = _median(result.starts) if result.starts else None
    figure = "not measured" if started is None else f"{started:.2f} s"
    within = None if started is None else started < SLOWEST_START
    yield Requirement("start to ready, under the pod's own limits", f"< {SLOWEST_START:.0f} s", figure, within)


@dataclass
class _Setup:
    directory: Path
    core: int
    mongod: Mongod
    mongo: Any
    eve: Path | None  # the Python of its environment

    def servers(self) -> dict[str, GunicornServer]:
        """Return the service and its peers, each with its own database."""
        servers = {OURS: self.server(OURS, None), SAMPLE: self.server(SAMPLE, "bench.peers.sample:app")}
        return servers | ({EVE: self.server(EVE, "bench.peers.eve:app", self.eve)} if self.eve else {})

    def server(
        self, name: str, application: str | None, python: Path | None = None, **environ: str
    ) -> GunicornServer:
        uri = self.mongod.uri if application is None else f"mongodb://127.0.0.1:{self.mongod.port}/"
        environ = {"MONGODB_URI": uri, "MONGODB_DATABASE": _database(name)} | environ
        return GunicornServer(self.directory, self.core, application, python, **environ)

    def fill(self, names: list[str], number: int = DOCUMENTS) -> None:
        """Store the same documents in each server's database; for Eve with the fields that it adds to a document."""
        for name in names:
            collection = self.mongo[_database(name)].data
            collection.drop()
            collection.insert_many([_document(n) | (_eve_fields(n) if name == EVE else {}) for n in range(number)])


def _measure_speed(setup: _Setup, result: ServiceResult, say: Say) -> None:
    servers = setup.servers()
    setup.fill([*servers, FLOOR])
    with ExitStack() as stack:
        for name, server in servers.items():
            say(f"starting {name}")
            stack.enter_context(running(server))
        page = _get(f"{servers[OURS].url}?limit={PAGE}")
        result.page_bytes = len(page)
        body = setup.directory / "page.json"
        body.write_bytes(page)
        bare = stack.enter_context(running(setup.server(BARE, "bench.peers.bare:app", BODY=str(body))))
        reads = _run_rounds(servers | {DISTINCT: servers[OURS], BARE: bare}, result.reads, say, body=None)
        for _ in range(ROUNDS):
            next(reads)
            result.floor_us.append(_floor(setup))
        for _ in _run_rounds(servers, result.writes, say, POSTED):
            pass
        say(f"{MANY:,} documents each")
        setup.fill(list(servers), MANY)
        next(_run_rounds(servers, result.many_reads, say, body=None))


def _measure_limited(setup: _Setup, result: ServiceResult, say: Say) -> None:
    say(f"under a pod's limits: {STARTS} starts")
    for _ in range(STARTS):
        with pod.limits() as group:
            server = setup.server(OURS, None)
            try:
                result.starts.append(server.start(group))
            finally:
                server.stop()
    servers = setup.servers()
    setup.fill(list(servers))
    with ExitStack() as stack:
        for name, server in servers.items():
            say(f"under a pod's limits: starting {name}")
            stack.enter_context(running(server, stack.enter_context(pod.limits())))
        for body, figures in ((None, result.limited_reads), (POSTED, result.limited_writes)):
            for _ in _run_rounds(servers, figures, say, body):
                pass


def _run_rounds(
    servers: dict[str, GunicornServer], figures: FiguresByServer, say: Say, body: str | None
) -> Iterator[None]:
    """Add each server's figures in each round, and yield after each. Every round starts with another server."""
    names = list(servers)
    figures |= {name: ServerFigures() for name in names}
    for name in names:
        wrk.run(_url(name, servers[name], body), 1, CONNECTIONS, body)  # warm-up: threads and connections stay
    for number in range(ROUNDS):
        say(f"{'GET' if body is None else 'POST'}, round {number + 1} of {ROUNDS}")
        for name in [*names[number % len(names) :], *names[: number % len(names)]]:
            server = servers[name]
            before = server.cpu_seconds()
            result = wrk.run(_url(name, server, body), SECONDS, CONNECTIONS, body, distinct=name == DISTINCT)
            figures[name].add(result, server.cpu_seconds() - before)
        yield


def _url(name: str, server: GunicornServer, body: str | None) -> str:
    if body is not None or name == BARE:
        return server.url
    return server.url + (f"?max_results={PAGE}&sort=-_id" if name == EVE else f"?limit={PAGE}")


def _floor(setup: _Setup) -> float:
    command = [sys.executable, "-m", "bench.peers.floor", str(FLOOR_SECONDS)]
    environ = {"MONGODB_URI": f"mongodb://127.0.0.1:{setup.mongod.port}/", "MONGODB_DATABASE": _database(FLOOR)}
    with pinned(setup.core):
        done = subprocess.run(command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)


def _measure_pages(setup: _Setup, result: ServiceResult, say: Say) -> None:
    say(f"storing {DEEP_DOCUMENTS:,} documents")
    began = time.monotonic()
    database = "million"
    collection = setup.mongo[database].get_collection("data", write_concern=WriteConcern(w=1, j=False))
    collection.drop()
    for start in range(0, DEEP_DOCUMENTS, BATCH):
        numbers = range(start, min(start + BATCH, DEEP_DOCUMENTS))
        collection.insert_many([{"_id": _id(n), "n": n} for n in numbers], ordered=False)
    say(f"{time.monotonic() - began:.0f} s; page 1 and page {DEEP_PAGE:,}, {DEEP_SAMPLES} times each, in turns")
    before = {page: DEEP_DOCUMENTS - DEEP_LIMIT * (page - 1) for page in (1, DEEP_PAGE)}
    with running(setup.server(OURS, None, MONGODB_DATABASE=database)) as server:
        split = urlsplit(server.url)
        connection = http.client.HTTPConnection(split.hostname or "", split.port)
        result.pages_ms = {page: [] for page in before}
        for _ in range(DEEP_SAMPLES):
            for page, number in before.items():
                began = time.perf_counter()
                connection.request("GET", f"{split.path}?limit={DEEP_LIMIT}&before={_id(number)}")
                body = connection.getresponse().read()
                result.pages_ms[page].append((time.perf_counter() - began) * 1000)
                if (first := json.loads(body)[0]["n"]) != number - 1:
                    raise RuntimeError(f"Page {page:,} begins with document {first:,}, not {number - 1:,}.")
    setup.mongo.drop_database(database)


def _measure_memory(setup: _Setup, result: ServiceResult, say: Say) -> None:
    say(f"memory during reads and writes, {SOAK_SECONDS} s")
    setup.fill([OURS])
    with running(setup.server(OURS, None)) as server, ThreadPoolExecutor() as pool:
        began = time.monotonic()
        runs = [
            pool.submit(wrk.run, f"{server.url}?limit={PAGE}", SOAK_SECONDS, CONNECTIONS // 2),
            pool.submit(wrk.run, server.url, SOAK_SECONDS, CONNECTIONS // 2, POSTED),
        ]
        while not all(each.done() for each in runs):
            time.sleep(1)
            if (elapsed := time.monotonic() - began) > WARM_UP_SECONDS:
                result.memory[elapsed] = server.memory_mib()
        for each in runs:
            each.result()


def _slope(memory: dict[float, float]) -> tuple[float, float]:
    """Return the growth in MiB an hour, and its standard error."""
    line = statistics.linear_regression(list(memory), list(memory.values()))
    left = sum((mib - line.slope * at - line.intercept) ** 2 for at, mib in memory.items()) / (len(memory) - 2)
    spread = statistics.pvariance(memory) * len(memory)
    return line.slope * 3600, (left / spread) ** 0.5 * 3600


def _document(number: int) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "sensor": f"greenhouse-{number % 20}",
        "value": 15 + number % 100 / 7,
        "unit": "C",
        "at": f"2026-01-01T{number // 60 % 24:02}:{number % 60:02}:00Z",
        "n": number,
        "tags": ["inside", "south"],
        "ok": number % 10 != 0,
    }


def _eve_fields(number: int) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    return {"_created": now, "_updated": now, "_etag": sha1(b"%d" % number, usedforsecurity=False).hexdigest()}


def _id(number: int) -> ObjectId:
    return ObjectId(f"{number:024x}")


def _database(name: str) -> str:
    return "bench-" + "".join(filter(str.isalpha, name.lower()))[:16]


def _get(url: str) -> bytes:
    return urllib3.request("GET", url).data


def _install_wrk(say: Say) -> None:
    host.install(host.missing_tools({"wrk": "wrk"}), say)


def _install_eve(say: Say, skipped: list[str]) -> Path | None:
    """Return the Python of an environment with Eve, or None, with the reason added to `skipped`."""
    pins = CHECKOUT / "bench" / "requirements-peers.txt"
    directory = cache_directory() / f"peers-{sha1(pins.read_bytes(), usedforsecurity=False).hexdigest()[:8]}"
    python = directory / "bin" / "python"
    if not (directory / "complete").exists():
        say("installing Eve")
        try:
            _run(sys.executable, "-m", "venv", "--clear", str(directory))
            _run(str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", str(pins))
        except (OSError, subprocess.CalledProcessError) as error:
            skipped.append(f"Eve, which could not be installed ({error})")
            return None
        (directory / "complete").touch()
    return python


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def _row(figures: ServerFigures) -> str:
    return f"| {_median(figures.rate):,.0f} | {_median(figures.p99_ms):.0f} ms"


_median: Callable[[list[float]], float] = statistics.median


def _verdict(requirement: Requirement) -> str:
    return {True: "met", False: "**missed**", None: "—"}[requirement.met]
