"""The data service beside its peers, row by row.

All run on this machine, without Kubernetes: a server on one core, wrk and mongod on another. The servers take turns in
alternating rounds, so that other load on the machine affects all of them. The CPU time of a request hardly depends on
such load, so it compares servers on a noisy machine too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from bench import pod, wrk
from bench.comparison import table
from bench.comparison.peers import PEERS_BY_NAME, Command, Missing
from bench.comparison.rows import ROWS, eve_fields, fill, no_fields
from bench.fake_pods import Say
from bench.load import cores, pinned
from tools.local.mongod import Mongod


@dataclass(frozen=True)
class Plan:
    """The rows and servers to measure. `millicpus` is a limit of the server's CPU, as a pod has one; 0 is none."""

    rows: tuple[str, ...] = tuple(ROWS)
    peers: tuple[str, ...] = tuple(PEERS_BY_NAME)
    connections: tuple[int, ...] = (1, 8, 64)
    rounds: int = 5
    seconds: int = 3  # a turn
    millicpus: int = 0


@dataclass
class Result:
    plan: Plan
    figures: table.FiguresByTurn = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)  # what was not measured, with the reason


def measure(say: Say, plan: Plan | None = None) -> Result:
    result = Result(plan or Plan())
    wrk.install(say)
    commands = _prepare(result, say)
    client, core = cores()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stack.enter_context(pinned(client))
        mongod = stack.enter_context(Mongod(directory / "mongod"))
        mongo: Any = stack.enter_context(MongoClient(mongod.uri))
        servers = {}
        for name, command in commands.items():
            say(f"starting {PEERS_BY_NAME[name].title}, with its documents")
            fill(mongo[_database(name)].data, eve_fields if name == "eve" else no_fields)
            server = PEERS_BY_NAME[name].server(command, directory, core, mongod, _database(name))
            group = stack.enter_context(pod.limits(result.plan.millicpus)) if result.plan.millicpus else None
            servers[name] = stack.enter_context(pod.running(server, group))
        for row in result.plan.rows:
            for connections in result.plan.connections:
                _measure_row(row, connections, servers, mongo, result, say)
    return result


def report(result: Result) -> str:
    plan = result.plan
    limit = f" under a limit of {plan.millicpus}m CPU" if plan.millicpus else ""
    return table.report(
        f"One core for each server{limit}; medians of {plan.rounds} alternating turns of {plan.seconds} s, with the "
        "lowest and the highest. CPU is the server's time for a request, user and system.",
        {row: ROWS[row].title for row in plan.rows},
        {name: (PEERS_BY_NAME[name].title, PEERS_BY_NAME[name].promise) for name in plan.peers},
        result.figures,
        result.skipped,
    )


def _prepare(result: Result, say: Say) -> dict[str, Command | None]:
    commands: dict[str, Command | None] = {}
    for name in result.plan.peers:
        try:
            commands[name] = PEERS_BY_NAME[name].prepare(say)
        except Missing as error:
            result.skipped.append(f"{PEERS_BY_NAME[name].title}: {error}")
            say(f"left out: {result.skipped[-1]}")
    return commands


def _measure_row(
    row: str, connections: int, servers: dict[str, pod.Server], mongo: Any, result: Result, say: Say
) -> None:
    """Add each server's figures. One that fails is left out of this row."""
    say(f"{ROWS[row].title}, {connections} connections")
    failed: set[str] = set()
    for name in _turns(list(servers), result.plan.rounds):
        if name in failed:
            continue
        if ROWS[row].writes:
            mongo[_database(name)].data.drop()
        server = servers[name]
        before = server.cpu_seconds()
        try:
            measured = wrk.run(_url(row, name, server), result.plan.seconds, connections, ROWS[row].script)
        except RuntimeError as error:
            failed.add(name)
            result.skipped.append(
                f"{PEERS_BY_NAME[name].title} in “{ROWS[row].title}” at {connections} connections: some requests failed"
            )
            say(str(error))
            continue
        figures = result.figures.setdefault((row, connections, name), table.ServerFigures())
        figures.add(measured, server.cpu_seconds() - before)
    for name in failed:
        result.figures.pop((row, connections, name), None)
    for name in servers:  # the first turn warms threads and connections up
        if figures := result.figures.get((row, connections, name)):
            figures.forget_first()


def _turns(names: list[str], rounds: int) -> Iterator[str]:
    """Yield names: a round to warm up, then the others, each of which begins with another server."""
    for number in range(rounds + 1):
        first = number % len(names)
        yield from (*names[first:], *names[:first])


def _url(row: str, name: str, server: pod.Server) -> str:
    return ROWS[row].url(server.url, PEERS_BY_NAME[name].is_eve)


def _database(name: str) -> str:
    return f"bench-{name}"
