"""The comparison's figures as Markdown, and what is required of them. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.wrk import WrkResult

OURS = "ours"
MANY = 64  # connections at which latencies are compared
USUAL = 8  # connections at which rates are


@dataclass
class ServerFigures:
    """One server's figures in one row, one for each round."""

    rate: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def add(self, result: WrkResult, cpu_seconds: float) -> None:
        self.rate.append(result.rate)
        self.p50_ms.append(result.p50_ms)
        self.p99_ms.append(result.p99_ms)
        self.cpu_us.append(cpu_seconds / result.count * 1e6)

    def forget_first(self) -> None:
        for each in (self.rate, self.p50_ms, self.p99_ms, self.cpu_us):
            del each[:1]


FiguresByTurn = dict[tuple[str, int, str], ServerFigures]  # {(row, connections, peer): …}

# (row, peer): how many times the peer's rate the service must reach
REQUIRED = {
    ("shared", "sample"): 1.5,
    ("unshared", "sample"): 1.1,
    ("one", "sample"): 1.1,
    ("mixed", "sample"): 1.3,
    ("post", "sample"): 1.3,
    ("post", "sample-journaled"): 2.0,
    ("shared", "eve"): 20.0,
    ("post", "eve"): 3.0,
    **{(row, "fastapi"): 1.0 for row in ("shared", "unshared", "one", "filter", "mixed", "post", "large")},
}


def report(
    introduction: str,
    rows: dict[str, str],
    peers: dict[str, tuple[str, str]],
    figures: FiguresByTurn,
    skipped: list[str],
) -> str:
    """Return the tables. `rows` has titles, `peers` titles and what each promises of a write."""
    lines = [introduction]
    for row, title in rows.items():
        for connections in sorted({each[1] for each in figures if each[0] == row}):
            lines += ["", *_table(row, title, connections, peers, figures)]
    if requirements := list(_requirements(rows, peers, figures)):
        lines += ["", "| requirement | bound | measured | |", "| --- | --- | --- | --- |", *requirements]
    lines += [f"\nLeft out: {each}." for each in skipped]
    return "\n".join(lines)


def _table(
    row: str, title: str, connections: int, peers: dict[str, tuple[str, str]], figures: FiguresByTurn
) -> Iterator[str]:
    plural = "s" if connections > 1 else ""
    yield f"| {title}, {connections} connection{plural} | write concern | requests a second | p50 | p99 | CPU, µs |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for peer, (name, promise) in peers.items():
        if each := figures.get((row, connections, peer)):
            yield (
                f"| {name} | {promise} | {_spread(each.rate)} "
                f"| {_median(each.p50_ms):.1f} ms | {_median(each.p99_ms):.0f} ms "
                f"| {_spread(each.cpu_us)} |"
            )


def _requirements(rows: dict[str, str], peers: dict[str, tuple[str, str]], figures: FiguresByTurn) -> Iterator[str]:
    for (row, peer), least in REQUIRED.items():
        ours, other = figures.get((row, USUAL, OURS)), figures.get((row, USUAL, peer))
        if ours and other:
            times = _median(ours.rate) / _median(other.rate)
            yield _line(f"{rows[row]}: rate beside {peers[peer][0]}", f"≥ {least:g} times", times, times >= least)
    for row, title in rows.items():
        ours, other = figures.get((row, MANY, OURS)), figures.get((row, MANY, "sample"))
        if ours and other:
            times = _median(ours.p99_ms) / _median(other.p99_ms)
            name = f"{title}: p99 at {MANY} connections beside {peers['sample'][0]}"
            yield _line(name, "≤ 1 times", times, times <= 1)


def _spread(values: list[float]) -> str:
    return f"{_median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def _line(name: str, bound: str, times: float, met: bool) -> str:
    return f"| {name} | {bound} | {times:.2f} times | {'met' if met else '**missed**'} |"


_median = statistics.median
