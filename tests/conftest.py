"""What every test may ask for: a real mongod, shared by the session."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

from tests.browser import chromium
from tools.local.mongod import Mongod

# A first draw builds Unicode tables for a second, and a shared machine stalls at will: neither is a finding.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("project"), max_examples=100_000)
settings.load_profile("project")

FIXTURES_WITH_MONGOD = {"mongod", "own_mongod", "guarded_mongod"}


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A running one-member replica set. Tests that stop or kill it take `own_mongod` instead."""
    yield from _running(Mongod(tmp_path_factory.mktemp("mongod")))


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A running one-member replica set that the test may stop and kill."""
    yield from _running(Mongod(tmp_path / "mongod"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all: Playwright can't be started twice in a program."""
    with chromium() as started:
        yield started


def _running(mongod: Mongod) -> Iterator[Mongod]:
    """Killed at the end: its data is thrown away, and an orderly end takes a second."""
    mongod.start()
    yield mongod
    mongod.kill()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str, float, float], None]:
    """Notes how many seconds something took, and were promised, for the table at the end of the run.

    The promise is no limit of the test: a machine that is busy must not fail it. Five times as long does.
    """

    def measure(what: str, seconds: float, promised: float) -> None:
        request.node.user_properties.append(("measured", [what, seconds, promised]))
        assert seconds <= 5 * promised, f"{what}: {seconds:.1f} s instead of {promised:g} s"

    return measure


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of what was measured."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    rows = [value for report in reports for name, value in report.user_properties if name == "measured"]
    if rows:
        terminalreporter.write_sep("-", "measured")
    for what, seconds, promised in rows:
        terminalreporter.write_line(f"{seconds:7.2f} s  of {promised:g} s  {what}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="another order of files and of their tests")


def pytest_configure() -> None:
    """Lets Ctrl-C reach what the tests start: a shell's background job ignores it, and so would every child."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks as `mongod` whatever uses one, so that `make check` can leave it out; leaves out what lasts minutes."""
    if "soak" not in config.getoption("markexpr"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("soak")])
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
    for item in items:
        if FIXTURES_WITH_MONGOD & set(getattr(item, "fixturenames", ())):
            item.add_marker("mongod")
    if (seed := config.getoption("shuffle")) is not None:
        _shuffle(items, seed)


def _shuffle(items: list[pytest.Item], seed: int) -> None:
    """Files stay whole, since what their tests share is made once for each."""
    draw = random.Random(seed).random  # noqa: S311 - an order, no secret
    place = {path: draw() for path in dict.fromkeys(item.path for item in items)}
    items.sort(key=lambda item: (place[item.path], draw()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leaves out, and names, what cannot run here; what was asked for by name fails instead."""
    if item.get_closest_marker("cluster") and os.geteuid() != 0:
        reason = "the embedded cluster needs root: run the tests as root"
        if _asked_for(item):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def _asked_for(item: pytest.Item) -> bool:
    """Whether the command line names this test, its file or directory, or its marker alone."""
    named = [
        argument.split("::")[0]
        for argument in item.config.args
        if argument not in ("tests", str(item.config.rootpath / "tests"))
    ]
    by_path = any(item.path.is_relative_to(item.config.invocation_params.dir / name) for name in named)
    return by_path or item.config.getoption("markexpr") in ("cluster", "soak")
