"""The data service alone: a page's CPU beside its floor, deep pages, memory, start, and what one pod carries.

It runs on this machine, without Kubernetes: the server on one core, wrk and mongod on another. bench/comparison
measures it beside its peers.
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
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bson import ObjectId
from pymongo import MongoClient, WriteConcern

from bench import pod, wrk
from bench.fake_pods import Say
from bench.load import cores, pinned
from bench.pod import running
from tools.cluster.instance import CHECKOUT
from tools.local.mongod import Mongod

DATABASE = "bench-service"
FLOOR = "the driver and orjson without HTTP"
ROUNDS = 3
SECONDS = 3  # for each turn
FLOOR_SECONDS = 1.5
CONNECTIONS = 8
DOCUMENTS = 1_000  # stored during the reads
PAGE = 20
DEEP_LIMIT, DEEP_PAGE, DEEP_DOCUMENTS = 100, 10_000, 1_000_100
DEEP_SAMPLES = 400
BATCH = 50_000
SOAK_SECONDS = 40
WARM_UP_SECONDS = 10
STARTS = 3
MILLICPUS = {"at 70 % of its request, where the HPA adds one": 70, "at its limit": pod.MILLICPUS}
LARGEST_MIB, SLOWEST_START = 80, 3.0
POSTED = '{"sensor":"greenhouse-7","value":21.5,"unit":"C","ok":true}'


@dataclass
class Capacity:
    """The capacity of one pod: requests a second, one figure for each round."""

    reads: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)


@dataclass
class ServiceResult:
    cpu_us: list[float] = field(default_factory=list)  # of a GET
    floor_us: list[float] = field(default_factory=list)
    pages_ms: dict[int, list[float]] = field(default_factory=dict)  # {page number: …}
    memory: dict[float, float] = field(default_factory=dict)  # {seconds: MiB}
    starts: list[float] = field(default_factory=list)  # seconds
    capacities: dict[str, Capacity] = field(default_factory=dict)  # by a name of MILLICPUS
    skipped: list[str] = field(default_factory=list)  # parts that were not measured, with the reason


@dataclass
class Requirement:
    name: str
    bound: str
    figure: str
    met: bool | None  # None: not measured


def measure(say: Say) -> ServiceResult:
    result = ServiceResult()
    wrk.install(say)
    client, server = cores()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stack.enter_context(pinned(client))
        mongod = stack.enter_context(Mongod(directory / "mongod"))
        mongo: Any = stack.enter_context(MongoClient(mongod.uri))
        setup = _Setup(directory, server, mongod, mongo)
        _measure_page(setup, result, say)
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
    lines = [
        f"One core for the server, {CONNECTIONS} connections, {DOCUMENTS:,} documents stored; medians of {ROUNDS} "
        f"turns of {SECONDS} s each.",
        "",
        f"| one pod | CPU | GETs of {PAGE} a second | POSTs a second |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {MILLICPUS[name]}m | {_median(each.reads):,.0f} | {_median(each.writes):,.0f} |"
            for name, each in result.capacities.items()
        ),
        "",
        "| requirement | bound | measured | |",
        "| --- | --- | --- | --- |",
        *(f"| {each.name} | {each.bound} | {each.figure} | {_verdict(each)} |" for each in _requirements(result)),
        *(f"\nLeft out: {each}." for each in result.skipped),
    ]
    return "\n".join(lines)


def _requirements(result: ServiceResult) -> Iterator[Requirement]:
    ours, floor = _median(result.cpu_us), _median(result.floor_us)
    figure = f"{ours / floor:.2f} ({ours:.0f} µs and {floor:.0f} µs)"
    yield Requirement(f"CPU of a GET of {PAGE}, times that of {FLOOR}", "≤ 2.2", figure, ours / floor <= 2.2)
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

    def server(self, database: str) -> pod.Server:
        return pod.service(self.directory, self.core, self.mongod.uri, database)

    def fill(self, database: str) -> None:
        collection = self.mongo[database].data
        collection.drop()
        collection.insert_many([_document(n) for n in range(DOCUMENTS)])


def _measure_page(setup: _Setup, result: ServiceResult, say: Say) -> None:
    say(f"a GET of {PAGE}, in turns with its floor")
    setup.fill(DATABASE)
    with running(setup.server(DATABASE)) as server:
        url = f"{server.url}?limit={PAGE}"
        wrk.run(url, 1, CONNECTIONS)  # warm-up: threads and connections stay
        for _ in range(ROUNDS):
            before = server.cpu_seconds()
            count = wrk.run(url, SECONDS, CONNECTIONS).count
            result.cpu_us.append((server.cpu_seconds() - before) / count * 1e6)
            result.floor_us.append(_floor(setup))


def _floor(setup: _Setup) -> float:
    command = [sys.executable, "-m", "bench.peers.floor", str(FLOOR_SECONDS)]
    environ = {"MONGODB_URI": f"mongodb://127.0.0.1:{setup.mongod.port}/", "MONGODB_DATABASE": DATABASE}
    with pinned(setup.core):
        done = subprocess.run(command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)


def _measure_limited(setup: _Setup, result: ServiceResult, say: Say) -> None:
    say(f"under a pod's limits: {STARTS} starts")
    for _ in range(STARTS):
        with pod.limits() as group:
            server = setup.server(DATABASE)
            try:
                result.starts.append(server.start(group))
            finally:
                server.stop()
    for name, millicpus in MILLICPUS.items():
        say(f"one pod {name}, {millicpus}m")
        setup.fill(DATABASE)
        capacity = result.capacities[name] = Capacity()
        with pod.limits(millicpus) as group, running(setup.server(DATABASE), group) as server:
            wrk.run(f"{server.url}?limit={PAGE}", 1, CONNECTIONS)
            for _ in range(ROUNDS):
                capacity.reads.append(wrk.run(f"{server.url}?limit={PAGE}", SECONDS, CONNECTIONS).rate)
                capacity.writes.append(wrk.run(server.url, SECONDS, CONNECTIONS, wrk.POST.format(POSTED)).rate)


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
    with running(setup.server(database)) as server:
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
    setup.fill(DATABASE)
    with running(setup.server(DATABASE)) as server, ThreadPoolExecutor() as pool:
        began = time.monotonic()
        runs = [
            pool.submit(wrk.run, f"{server.url}?limit={PAGE}", SOAK_SECONDS, CONNECTIONS // 2),
            pool.submit(wrk.run, server.url, SOAK_SECONDS, CONNECTIONS // 2, wrk.POST.format(POSTED)),
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


def _id(number: int) -> ObjectId:
    return ObjectId(f"{number:024x}")


_median: Callable[[list[float]], float] = statistics.median


def _verdict(requirement: Requirement) -> str:
    return {True: "met", False: "**missed**", None: "—"}[requirement.met]
