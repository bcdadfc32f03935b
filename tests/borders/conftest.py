"""Counts a border's examples and seconds, and what they leave in memory, for one line each at the end of a soak."""

import gc
import logging
import time
import tracemalloc
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
SOAK = 50_000  # examples, from which on the memory is measured
MEASURED = 20_000  # of them, the last ones: tracing halves the speed. A leak of 60 bytes each is seen
WARM = 2_000  # of these before the first measure
SHOWN = 5_000  # examples between two lines of progress
UNFROZEN = 1_000  # examples after which the cycles among older objects are collected too
MOST_GROWN = 1 << 20  # bytes
OURS = [tracemalloc.Filter(True, f"*/{package}/*") for package in ("dashboard", "service")]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    hypothesis = getattr(pyfuncitem.obj, "hypothesis", None)
    if hypothesis is None or not pyfuncitem.path.is_relative_to(HERE):
        return (yield)
    test = hypothesis.inner_test
    most = settings.default.max_examples if settings.default else 0
    soak, first = most >= SOAK, most - MEASURED
    plugins: Any = pyfuncitem.config.pluginmanager
    examples = grown = 0
    warm: int | None = None

    @wraps(test)
    def counted(*args: Any, **kwargs: Any) -> None:
        nonlocal examples, warm
        examples += 1
        if soak and examples % SHOWN == 0:
            line = f"{time.monotonic() - began:>7.0f} s  {examples:>7,} examples  {pyfuncitem.name}"
            with plugins.get_plugin("capturemanager").global_and_fixture_disabled():
                plugins.get_plugin("terminalreporter").write_line(line)
        if examples == first and soak:
            logging.disable(logging.WARNING)  # pytest keeps what is logged, with the programs' own strings
            tracemalloc.start()
        if examples == first + WARM and soak:
            warm = held()
        test(*args, **kwargs)
        if soak and examples >= first:
            empty_free_lists(examples)

    hypothesis.inner_test = counted
    began = time.monotonic()
    try:
        result = yield
        grown = held() - warm if warm is not None else 0
    finally:
        hypothesis.inner_test = test
        tracemalloc.stop()
        logging.disable(logging.NOTSET)
        gc.unfreeze()
    if soak:
        line = f"{examples:>9,} examples {time.monotonic() - began:>7.0f} s {grown:>+9,} bytes  {pyfuncitem.name}"
        pyfuncitem.user_properties.append(("border", line))
        assert warm is not None, f"{pyfuncitem.name} ended before its memory was measured"
        assert grown <= MOST_GROWN, f"{pyfuncitem.name} leaves {grown:,} bytes"
    return result


def empty_free_lists(examples: int) -> None:
    """Give back what the interpreter keeps of freed dicts and lists for new ones. Else an object of Hypothesis, which
    remembers its examples, can have the memory of one of the programs' and count as theirs. Only a collection does
    this; what is older than the example is frozen, so that it takes no time."""
    if examples % UNFROZEN == 0:
        gc.unfreeze()
    gc.collect()
    gc.freeze()


def held() -> int:
    """Return the bytes that lines of the programs have allocated and that are not freed."""
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(OURS).traces)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    lines = [value for report in reports for name, value in report.user_properties if name == "border"]
    if lines:
        terminalreporter.write_sep("-", "borders")
    for line in lines:
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore:Generating overly large repr"))
