"""The load supervisor and the generator, against a server that responds, stalls, fails, or stays silent."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from dashboard.core import events
from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.load import process as generator_process
from dashboard.load.options import GeneratorUnfit, LoadBusy, LoadOptions
from dashboard.load.supervisor import LoadSupervisor
from tests.dashboard.stubs import ROOT, Emitted, wait_until
from tools.local.mongod import free_port

pytestmark = pytest.mark.slow

BODY = b'[{"n": 1}]'
PATH = "/data?limit=20"


class TargetServer:
    """An HTTP server that counts the requests of each connection. StubServer could not respond fast enough."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.headers = ""
        self.silent = False
        self.stall: tuple[float, float] | None = None  # begin and end, by the monotonic clock
        self.requests: list[str] = []  # paths
        self.connection_requests: list[int] = []
        self.drops_connections = False
        self.open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        create = self._loop.create_server(lambda: TargetConnection(self), "127.0.0.1", 0)
        self._server = self._loop.run_until_complete(create)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for transport in self.open:
            transport.abort()
        while self.open:
            await asyncio.sleep(0.01)


class TargetConnection(asyncio.Protocol):
    def __init__(self, server: TargetServer) -> None:
        self._server = server
        self._number = len(server.connection_requests)
        server.connection_requests.append(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        server = self._server
        server.requests.append(data.split(b" ", 2)[1].decode())
        server.connection_requests[self._number] += 1
        if server.stall and server.stall[0] <= time.monotonic() < server.stall[1]:
            time.sleep(server.stall[1] - time.monotonic())
        if server.drops_connections:
            self._transport.abort()
        elif not server.silent:
            head = f"HTTP/1.1 {server.status}\r\n{server.headers}Content-Length: {len(BODY)}\r\n\r\n"
            self._transport.write(head.encode() + BODY)


@pytest.fixture
def server() -> Iterator[TargetServer]:
    target = TargetServer()
    yield target
    target.stop()


@pytest.fixture
def load(server: TargetServer, emitted: Emitted) -> Iterator[LoadSupervisor]:
    """A supervisor without the self-test, which may fail on a busy machine."""
    supervisor = LoadSupervisor(server.url + PATH, emitted, test_seconds=0)
    yield supervisor
    supervisor.stop()


def updates(emitted: Emitted) -> list[dict[str, Any]]:
    return [event.load for event in emitted.of(events.LoadUpdated)]


def wait_until_ended(load: LoadSupervisor) -> None:
    wait_until(lambda: not load.running())


def generator_pids(url: str) -> list[int]:
    """Return the pids of the generators that send requests to this URL."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdecimal() else []
        except OSError:
            continue
        if b"dashboard.load.generator" in arguments and any(f'"{url}/'.encode() in each for each in arguments):
            pids.append(int(entry.name))
    return pids


def has_ended(pid: int) -> bool:
    """Return whether a process has ended. A zombie has, too: an orphan may not be reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_load_sends_all_due_requests_and_emits_each_second(
    server: TargetServer, load: LoadSupervisor, emitted: Emitted
) -> None:
    load.start(LoadOptions(rate=50, duration=6), "Anna")
    assert load.running()
    wait_until_ended(load)
    totals = load.totals()
    assert (totals.offered, totals.sent, totals.achieved, totals.dropped, totals.errors) == (300, 300, 300, 0, 0)
    assert server.requests == [PATH] * 300
    states = updates(emitted)
    assert [state["active"] for state in states] == [True] * (len(states) - 1) + [False]
    assert len(states) >= 4, "a busy generator may leave some seconds out"
    assert states[0]["by"] == "Anna" and states[0]["rate"] == 50 and states[0]["started"] < states[0]["ends"]
    assert any(state["p99_ms"] is not None and state["achieved"] > 0 for state in states)
    assert totals.lag_p99_ms is not None and totals.cpu_percent is not None and totals.failed is None


def test_rate_change_takes_effect_in_the_running_process(
    server: TargetServer, load: LoadSupervisor, emitted: Emitted
) -> None:
    load.start(LoadOptions(rate=100, duration=15), "Anna")
    (pid,) = generator_pids(server.url)
    time.sleep(3)
    load.change_rate(400)
    began = time.monotonic()
    time.sleep(3)
    assert generator_pids(server.url) == [pid]
    load.change_rate(100.5)
    fast = time.monotonic() - began
    wait_until_ended(load)
    totals = load.totals()
    assert totals.due == pytest.approx(1500 + 300 * fast, rel=0.1)
    assert totals.offered == pytest.approx(totals.due, rel=0.25), "1500 or 5100 if it ignored a rate; it may be late"
    assert totals.achieved == totals.sent == len(server.requests) and totals.failed is None
    assert [rate for rate, _ in groupby(state["rate"] for state in updates(emitted))] == [100, 400, 100.5]


def test_invalid_rate_is_refused_and_any_rate_is_ignored_without_a_load(
    server: TargetServer, load: LoadSupervisor
) -> None:
    load.change_rate(400)
    load.start(LoadOptions(rate=50, duration=2), "Anna")
    for rate in (0, -1, 2001, float("nan")):
        with pytest.raises(InvalidOption):
            load.change_rate(rate)
    wait_until_ended(load)
    load.change_rate(400)
    assert load.totals().offered == load.totals().due == len(server.requests) == 100


def test_rate_change_is_ignored_while_the_load_ends(server: TargetServer, load: LoadSupervisor) -> None:
    load.start(LoadOptions(rate=50, duration=60), "Anna")
    (pid,) = generator_pids(server.url)
    os.kill(pid, signal.SIGKILL)
    while load.running():
        load.change_rate(100)
    assert "signal 9" in (load.totals().failed or "")


def test_connections_have_a_maximum_of_requests_and_age(server: TargetServer, load: LoadSupervisor) -> None:
    load.start(LoadOptions(rate=200, duration=2, connections=2), "Anna")
    wait_until_ended(load)
    assert max(server.connection_requests) == 50, "the maximum of requests on a connection"
    assert sum(server.connection_requests) == 400
    server.connection_requests.clear()
    load.start(LoadOptions(rate=10, duration=5, connections=1), "Anna")
    wait_until_ended(load)
    assert len(server.connection_requests) >= 2, "connections have a maximum age"
    assert max(server.connection_requests) < 50


def test_stall_raises_the_p99_without_coordinated_omission(server: TargetServer, load: LoadSupervisor) -> None:
    """A closed-loop client sees the stall in one request only: coordinated omission."""
    options = LoadOptions(rate=100, duration=6)
    latencies: list[float] = []

    def closed_loop() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        while load.running():
            began = time.monotonic()
            connection.request("GET", PATH)
            connection.getresponse().read()
            latencies.append(time.monotonic() - began)
            time.sleep(0.005)
        connection.close()

    load.start(options, "Anna")
    server.stall = (time.monotonic() + 2, time.monotonic() + 3)
    client = threading.Thread(target=closed_loop)
    client.start()
    wait_until_ended(load)
    client.join()
    totals = load.totals()
    assert totals.achieved == totals.offered == 600
    assert totals.p99_ms is not None and totals.p99_ms > 500
    assert sum(seconds > 0.5 for seconds in latencies) < len(latencies) / 20, "the closed loop's p95 omits the stall"


def test_refused_connections_are_connect_errors(emitted: Emitted) -> None:
    load = LoadSupervisor(f"http://127.0.0.1:{free_port()}", emitted, test_seconds=0)
    load.start(LoadOptions(rate=50, duration=2), "Anna")
    wait_until_ended(load)
    totals = load.totals()
    assert (totals.sent, totals.achieved, totals.by_kind, totals.p99_ms) == (100, 0, {"connect": 100}, None)
    assert any(state["errors_per_second"] > 0 for state in updates(emitted))


def test_503_counts_as_answered_and_as_an_error(server: TargetServer, load: LoadSupervisor) -> None:
    server.status = "503 Service Unavailable"
    load.start(LoadOptions(rate=50, duration=2), "Anna")
    wait_until_ended(load)
    totals = load.totals()
    assert (totals.achieved, totals.errors, totals.by_kind) == (100, 100, {"5xx": 100})


def test_redirects_are_not_followed(server: TargetServer, load: LoadSupervisor) -> None:
    server.status, server.headers = "302 Found", "Location: /elsewhere\r\n"
    load.start(LoadOptions(rate=50, duration=1), "Anna")
    wait_until_ended(load)
    assert load.totals().by_kind == {"other": 50}
    assert set(server.requests) == {PATH}


def test_closed_connection_is_an_error(server: TargetServer, load: LoadSupervisor) -> None:
    server.drops_connections = True
    load.start(LoadOptions(rate=50, duration=1), "Anna")
    wait_until_ended(load)
    assert load.totals().by_kind == {"broken": 50}


def test_request_without_a_response_times_out(server: TargetServer) -> None:
    server.silent = True
    last = _generate(server, {"rate": 20, "duration": 1}, ANSWER_SECONDS=0.5)[-1]
    assert (last["sent"], last["answered"], last["errors"]["timeout"], last["in_flight"]) == (20, 0, 20, 0)
    assert last["whole_p50_ms"] >= 490, "the latency includes the timeout"


def test_requests_over_the_in_flight_limit_are_dropped_and_counted(server: TargetServer, load: LoadSupervisor) -> None:
    server.silent = True
    load.start(LoadOptions(rate=2000, duration=60, connections=200), "Anna")
    wait_until(lambda: load.totals().dropped > 100)
    load.stop()
    totals = load.totals()
    assert totals.offered == totals.sent + totals.dropped and totals.in_flight == totals.sent == 2000
    assert len(server.connection_requests) == 200, "connections"


def test_second_load_is_refused_until_the_first_ends(load: LoadSupervisor) -> None:
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    with pytest.raises(LoadBusy) as error:
        load.start(LoadOptions(rate=10, duration=60), "Berta")
    assert error.value.by == "Anna"
    load.stop()
    load.start(LoadOptions(rate=10, duration=1), "Berta")
    wait_until_ended(load)


def test_stop_leaves_no_process_and_no_requests(server: TargetServer, load: LoadSupervisor, emitted: Emitted) -> None:
    server.silent = True
    load.start(LoadOptions(rate=50, duration=60), "Anna")
    (pid,) = generator_pids(server.url)
    emitted.wait(lambda emitted: any(state["offered"] for state in updates(emitted)))
    load.stop()
    assert not load.running() and not Path(f"/proc/{pid}").exists(), "the process is reaped"
    assert updates(emitted)[-1]["active"] is False and updates(emitted)[-1]["error"] is None
    assert load.totals().failed is None
    load.stop()
    requests = len(server.requests)
    time.sleep(0.2)
    assert len(server.requests) == requests


def test_generator_that_does_not_stop_is_killed(server: TargetServer, load: LoadSupervisor, emitted: Emitted) -> None:
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    (pid,) = generator_pids(server.url)
    os.kill(pid, signal.SIGSTOP)
    load.stop()
    assert not load.running() and not Path(f"/proc/{pid}").exists()
    assert updates(emitted)[-1]["active"] is False


def test_killed_generator_fails_the_load_and_the_next_one_starts(
    server: TargetServer, load: LoadSupervisor, emitted: Emitted
) -> None:
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    (pid,) = generator_pids(server.url)
    os.kill(pid, signal.SIGKILL)
    wait_until_ended(load)
    failed = load.totals().failed
    assert failed and "signal 9" in failed and updates(emitted)[-1]["error"] == failed
    load.start(LoadOptions(rate=10, duration=1), "Berta")
    wait_until_ended(load)
    assert load.totals().failed is None


def test_generator_has_no_environment(
    server: TargetServer, load: LoadSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPERATOR_TOKEN", "Op9-kq3Zr7Lw2Xv8Tn5B")
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    (pid,) = generator_pids(server.url)
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""


FIRST_SAMPLE = json.dumps(
    {
        "elapsed": 0, "offered": 0, "sent": 0, "dropped": 0, "answered": 0, "errors": {}, "in_flight": 0,
        "connections": 0, "p50_ms": None, "p99_ms": None, "whole_p50_ms": None, "whole_p99_ms": None,
        "lag_p99_ms": None, "whole_lag_p99_ms": None, "cpu_seconds": 0,
    }
)  # fmt: skip
INVALID_SAMPLE = FIRST_SAMPLE.replace('"sent": 0', '"sent": 9')


@pytest.mark.parametrize(
    ("script", "problem", "timeout"),
    [
        ("echo nonsense; exec sleep 60", "it sent an invalid sample: not a sample", 30),
        ("exec tr '\\0' x </dev/zero", "it sent an invalid sample: not a sample", 30),
        ("echo '{\"offered\": 1}'; exec sleep 60", "it sent an invalid sample: not a sample", 30),
        (f"echo '{INVALID_SAMPLE}'; exec sleep 60", "it sent an invalid sample: ", 30),
        ("exec sleep 60", "it sent no sample in time", 0.5),
        ("exec tr '\\0' x </dev/zero >&2", "it sent no sample in time", 0.5),
        ("exec >&- 2>&-; exec sleep 60", "it closed its output, but did not exit", 5),
        ("echo 'Something broke.' >&2; exit 3", "it ended with status 3: Something broke", 30),
        ("exit 0", "it ended with status 0", 30),
    ],
)
@pytest.mark.parametrize("begun", [False, True], ids=["before the first sample", "after the first sample"])
def test_faulty_generator_ends_the_load_with_its_problem(
    begun: bool,
    script: str,
    problem: str,
    timeout: float,
    load: LoadSupervisor,
    emitted: Emitted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faulty = tmp_path / "python"
    lines = ["#!/bin/sh", "PATH=/usr/bin:/bin", f"echo '{FIRST_SAMPLE}'" if begun else "", script]
    faulty.write_text("\n".join(lines) + "\n")
    faulty.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(faulty))
    is_late = not begun and "no sample" in problem
    monkeypatch.setattr(generator_process, "SILENT_SECONDS", timeout)
    monkeypatch.setattr(generator_process, "BEGIN_SECONDS", timeout if is_late else 60)
    if begun:
        load.start(LoadOptions(rate=10, duration=60), "Anna")
        wait_until_ended(load)
        assert str(load.totals().failed).startswith(f"The load ended early: {problem}")
        assert updates(emitted)[-1]["error"] == load.totals().failed
    else:
        with pytest.raises(ExternalError, match=f"The load generator did not start: {problem}") as raised:
            load.start(LoadOptions(rate=10, duration=60), "Anna")
        assert str(raised.value) == load.totals().failed
        assert not load.running() and not updates(emitted)


def test_missing_python_fails_the_start(load: LoadSupervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ExternalError, match="it can't be run: No such file"):
        load.start(LoadOptions(rate=10, duration=60), "Anna")
    assert not load.running()


def test_generator_ends_with_the_dashboard(server: TargetServer) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from dashboard.load.options import LoadOptions\n"
            "from dashboard.load.supervisor import LoadSupervisor\n"
            "supervisor = LoadSupervisor(sys.argv[1], lambda event: None, test_seconds=0)\n"
            "supervisor.start(LoadOptions(rate=10, duration=60), 'Anna')\n"
            "time.sleep(60)\n",
            server.url + PATH,
        ],
        cwd=ROOT,
    )
    try:
        wait_until(lambda: server.requests)
        (pid,) = generator_pids(server.url)
        assert not has_ended(pid)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: has_ended(pid))


def test_kernel_kills_the_generator_with_its_parent_while_stdin_is_open(server: TargetServer) -> None:
    stdin, writable = os.pipe()
    options = json.dumps({"url": f"{server.url}{PATH}", "rate": 10, "duration": 60})
    script = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'dashboard.load.generator', sys.argv[1]]\n"
        "subprocess.run(command, stdin=int(sys.argv[2]), stdout=subprocess.DEVNULL)\n"
    )
    command = [sys.executable, "-c", script, options, str(stdin)]
    parent = subprocess.Popen(command, cwd=ROOT, pass_fds=[stdin])
    try:
        wait_until(lambda: server.requests)
        (pid,) = generator_pids(server.url)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: has_ended(pid))
    os.close(stdin)
    os.close(writable)


def test_end_of_stdin_stops_the_generator(server: TargetServer) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout and process.stdin
        assert json.loads(process.stdout.readline())["elapsed"] < 1
        process.stdin.close()
        last = json.loads(process.stdout.readlines()[-1])
        assert last["final"] and last["elapsed"] < 30
    assert process.returncode == 0


def test_new_rate_does_not_wait_for_the_next_request_of_the_old_one(server: TargetServer) -> None:
    """At the first rate, two requests are due by 5 s, and a third would be due after the end."""
    slower = "from dashboard.load import options; options.LEAST_RATE = 0.1"
    with _generator(server, {"rate": 0.2, "duration": 9.9}, slower) as process:
        assert process.stdout
        while json.loads(process.stdout.readline())["offered"] < 2:
            pass
        _write(process, "400\n")
        last = json.loads(process.stdout.readlines()[-1])
    assert last["final"] and 10 < last["offered"] == last["answered"] == len(server.requests) < 2200


def test_rate_cut_off_by_the_end_of_stdin_is_ignored(server: TargetServer) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout and process.stdin
        process.stdout.readline()
        _write(process, "200")
        process.stdin.close()
        last = json.loads(process.stdout.readlines()[-1])
    assert process.returncode == 0
    assert last["final"] and last["offered"] <= 10 * last["elapsed"] + 1


def test_stop_line_stops_the_generator(server: TargetServer) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout
        process.stdout.readline()
        _write(process, "stop\n")
        assert json.loads(process.stdout.readlines()[-1])["final"]
    assert process.returncode == 0


@pytest.mark.parametrize("line", ["nonsense\n", "\n", "NaN\n", "1e9\n", "0\n", '{"rate": 5}\n', "x" * 100, "\xff\n"])
def test_invalid_line_ends_the_generator_with_an_error_message(server: TargetServer, line: str) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        _write(process, line)
        message = process.stderr.read()
        assert message.startswith("A load's ") and message.count("\n") == 1
    assert process.returncode == 1


def test_hanging_generator_is_killed_by_its_alarm(server: TargetServer) -> None:
    hang = "Generator._send = lambda self: generator.time.sleep(60)"
    with _generator(server, {"rate": 10, "duration": 1}, hang, ANSWER_SECONDS=0.1, OVERTIME_SECONDS=0.1) as process:
        assert process.stdout
        assert len(process.stdout.readlines()) <= 1, "none if its start took longer"
    assert process.returncode == -signal.SIGALRM


def test_bug_ends_the_generator_with_a_traceback(server: TargetServer) -> None:
    bug = "generator._drain = None"
    with _generator(server, {"rate": 10, "duration": 60}, bug) as process:
        assert process.stderr
        assert "TypeError" in process.stderr.read()
    assert process.returncode == 1


@pytest.mark.parametrize(
    "options",
    [{"rate": 5000, "duration": 10}, {"rate": 10, "duration": 5000}, {"rate": 10, "duration": 1, "connections": 999}],
)
def test_generator_checks_the_bounds_of_its_options(server: TargetServer, options: dict[str, Any]) -> None:
    with _generator(server, options) as process:
        assert process.stderr
        assert process.stderr.read().startswith("Invalid options: A load's ")
    assert process.returncode == 1
    assert not server.requests


def test_self_test_sends_no_requests_to_the_service(server: TargetServer, emitted: Emitted) -> None:
    load = LoadSupervisor(server.url + PATH, emitted, test_seconds=1)
    try:
        load.start(LoadOptions(rate=10, duration=1), "Anna")
    except GeneratorUnfit as error:  # the machine may be too busy
        assert "can't carry" in str(error), "the self-test ran"
        assert not server.requests
    else:
        wait_until_ended(load)
        assert len(server.requests) == 10


def test_failed_self_test_prevents_the_load(
    server: TargetServer, emitted: Emitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.load.options.MOST_LAG_MS", -1.0)
    load = LoadSupervisor(server.url + PATH, emitted, test_seconds=1)
    with pytest.raises(GeneratorUnfit, match="10 requests a second") as error:
        load.start(LoadOptions(rate=10, duration=1), "Anna")
    assert load.totals().failed == str(error.value)
    assert not load.running() and not server.requests and not emitted


def test_self_test_uses_test_rate(server: TargetServer, emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.load.options.MOST_LAG_MS", -1.0)
    load = LoadSupervisor(server.url + PATH, emitted, test_seconds=1)
    with pytest.raises(GeneratorUnfit, match="20 requests a second"):
        load.start(LoadOptions(rate=10, duration=1), "Anna", test_rate=20)
    with pytest.raises(InvalidOption):
        load.start(LoadOptions(rate=10, duration=1), "Anna", test_rate=20_000)
    assert not load.running() and not server.requests


def test_stop_during_the_self_test_prevents_the_load(server: TargetServer, emitted: Emitted) -> None:
    load = LoadSupervisor(server.url + PATH, emitted, test_seconds=60)
    errors: list[ExternalError] = []

    def start() -> None:
        try:
            load.start(LoadOptions(rate=10, duration=60), "Anna")
        except ExternalError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    wait_until(load.running)
    load.stop()
    thread.join()
    assert len(errors) == 1 and "stopped" in str(errors[0])
    assert not load.running() and not server.requests


def _generate(server: TargetServer, options: dict[str, Any], **constants: float) -> list[dict[str, Any]]:
    """Run the generator to its end, with constants replaced. Return its samples."""
    with _generator(server, options, "", **constants) as process:
        assert process.stdout
        return [json.loads(line) for line in process.stdout]


def _write(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin
    process.stdin.write(text)
    process.stdin.flush()


def _generator(
    server: TargetServer, options: dict[str, Any], patch: str = "", **constants: float
) -> subprocess.Popen[str]:
    """Start the generator with constants replaced and a statement that patches it."""
    patches = [patch, *(f"generator.{name} = {value}" for name, value in constants.items())]
    imports = ["import sys", "from dashboard.load import generator", "from dashboard.load.generator import Generator"]
    lines = [*imports, *patches]
    return subprocess.Popen(
        [
            *(sys.executable, "-c", "\n".join([*lines, "generator.main(sys.argv[1:])"])),
            json.dumps({"url": f"{server.url}{PATH}", **options}),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
