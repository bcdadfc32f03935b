"""Fixtures for all tests, and the choice and order of the tests in a run."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser
from werkzeug.routing import Rule

from tests.browser import chromium
from tests.k8s.manifests import kubectl
from tests.postgresql import Postgres, PostgresError
from tests.tls import Certificates, made
from tools.local.mongod import Mongod

# Hypothesis' first draw takes a second for Unicode tables, and a shared machine stalls: neither is a failure.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("project"), max_examples=100_000)
settings.load_profile("project")

ON_REQUEST = ("soak", "clusters")  # markers of tests that run only where -m names them
STATE_AT_FAILURE = "the deployment when it failed"  # a section of a report
FIXTURES_WITH = {
    "mongod": {"mongod", "own_mongod", "guarded_mongod", "tls_mongod"},
    "postgresql": {"postgresql"},
}  # by the marker that they set


@pytest.fixture(scope="session", autouse=True)
def no_url_builders() -> Iterator[None]:
    """The programs build no URL from a route's name: what could takes 22 of an app's 24 ms to compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", lambda rule, append_unknown=True: _build_no_url)
        yield


def _build_no_url(rule: Rule, **values: object) -> tuple[str, str]:
    raise NotImplementedError("tests/conftest.py leaves out what url_for needs")


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A running one-member replica set. Tests that stop or kill it take `own_mongod` instead."""
    yield from _running(Mongod(tmp_path_factory.mktemp("mongod")))


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A running one-member replica set that the test may stop and kill."""
    yield from _running(Mongod(tmp_path / "mongod"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """MongoDB's certificate and its authority, for this machine's loopback."""
    return made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def tls_mongod(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Mongod]:
    """A running one-member replica set that takes connections by TLS only."""
    yield from _running(Mongod(tmp_path_factory.mktemp("tls_mongod"), tls=certificates.pair))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """A running PostgreSQL. A test that stops it starts it again."""
    try:
        made = Postgres()
    except PostgresError as error:
        pytest.skip(str(error))
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session: Playwright cannot start twice in a process."""
    with chromium() as launched:
        yield launched


def _running(mongod: Mongod) -> Iterator[Mongod]:
    """Run a mongod and kill it at the end. Its data is deleted, and an orderly end takes a second."""
    mongod.start()
    yield mongod
    mongod.kill()


@pytest.fixture
def record_duration(request: pytest.FixtureRequest) -> Callable[[str, float, float], None]:
    """Records a name, a duration and its promised maximum, in seconds, for the table at the end of the run.

    A test fails only beyond five times the promise, so that a busy machine does not fail it.
    """

    def record(name: str, seconds: float, promised: float) -> None:
        request.node.user_properties.append(("measured", [name, seconds, promised]))
        assert seconds <= 5 * promised, f"{name}: {seconds:.1f} s instead of {promised:g} s"

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of the measured durations."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    rows = [value for report in reports for key, value in report.user_properties if key == "measured"]
    if rows:
        terminalreporter.write_sep("-", "measured")
    for name, seconds, promised in rows:
        terminalreporter.write_line(f"{seconds:7.2f} s  of {promised:g} s  {name}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print a failure at once, beside pytest's own report at the end, which a run that is killed does not reach."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:  # a worker's reports come to the main process
        crash = getattr(report.longrepr, "reprcrash", None)
        why = crash.message.splitlines()[0] if crash else str(report.longrepr)[-300:]
        print(f"\n{report.when} failed: {report.nodeid}: {why}", file=sys.__stdout__, flush=True)
        for title, text in report.sections:
            if title == STATE_AT_FAILURE:
                print(text, file=sys.__stdout__, flush=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests in them, in a random order")


def pytest_configure() -> None:
    """Restore SIGINT's handler, so that Ctrl-C reaches the tests' child processes, too. A background job of a shell
    ignores SIGINT, and its children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use a database, for `make check` to deselect. Deselect those that -m must ask for."""
    for marker in ON_REQUEST:
        if marker not in config.getoption("markexpr"):
            config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(marker)])
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
    for item in items:
        for marker, fixtures in FIXTURES_WITH.items():
            if fixtures & set(getattr(item, "fixturenames", ())):
                item.add_marker(marker)
    if (seed := config.getoption("shuffle")) is not None:
        _shuffle(items, seed)


def _shuffle(items: list[pytest.Item], seed: int) -> None:
    """Shuffle files, and tests within a file. Files are not mixed, because module fixtures are made once per file."""
    draw = random.Random(seed).random  # noqa: S311 - not for a secret
    place = {path: draw() for path in dict.fromkeys(item.path for item in items)}
    items.sort(key=lambda item: (place[item.path], draw()))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish() -> None:
    """Keep what is imported by now out of the garbage collections, which cost 8 % of the unit tests' CPU time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that cannot run here, with the reason. Fail it if it was named."""
    if (reason := _missing(item)) is None:
        return
    if _is_named(item):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _missing(item: pytest.Item) -> str | None:
    if (item.get_closest_marker("cluster") or item.get_closest_marker("clusters")) and os.geteuid() != 0:
        return "the embedded cluster needs root: run the tests as root"
    if item.get_closest_marker("kubectl") and kubectl() is None:
        return "kubectl is missing: install it, or run `make up` as root, which builds it"
    return None


def _is_named(item: pytest.Item) -> bool:
    """Return whether the command line names this test, its file or directory, or only its marker."""
    named = [
        argument.split("::")[0]
        for argument in item.config.args
        if argument not in ("tests", str(item.config.rootpath / "tests"))
    ]
    by_path = any(item.path.is_relative_to(item.config.invocation_params.dir / name) for name in named)
    return by_path or item.config.getoption("markexpr") in ("cluster", *ON_REQUEST)
