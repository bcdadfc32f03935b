"""The load generator against a server that answers, freezes, fails, refuses and keeps silent; and however it ends."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from dashboard.core import events
from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.load import process as child
from dashboard.load.options import GeneratorUnfit, LoadBusy, LoadOptions
from dashboard.load.supervisor import Load
from tests.dashboard.stubs import ROOT, Heard
from tools.local.mongod import free_port

pytestmark = pytest.mark.slow

BODY = b'[{"n": 1}]'
PATH = "/data?limit=20"


class Server:
    """Answers GETs on 127.0.0.1, and remembers what each connection carried."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.headers = ""
        self.silent = False
        self.freeze: tuple[float, float] | None = None  # from when to when, by the monotonic clock, it stands still
        self.requests: list[str] = []  # the paths
        self.carried: list[int] = []  # by each connection
        self.open: set[asyncio.Transport] = set()
        self.dropping = False
        self._loop = asyncio.new_event_loop()
        listening = self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        self._server = self._loop.run_until_complete(listening)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for transport in self.open:
            transport.abort()
        while self.open:
            await asyncio.sleep(0.01)


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._number = len(server.carried)
        server.carried.append(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        server = self._server
        server.requests.append(data.split(b" ", 2)[1].decode())
        server.carried[self._number] += 1
        if server.freeze and server.freeze[0] <= time.monotonic() < server.freeze[1]:
            time.sleep(server.freeze[1] - time.monotonic())
        if server.dropping:
            self._transport.abort()
        elif not server.silent:
            head = f"HTTP/1.1 {server.status}\r\n{server.headers}Content-Length: {len(BODY)}\r\n\r\n"
            self._transport.write(head.encode() + BODY)


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.stop()


@pytest.fixture
def load(server: Server, heard: Heard) -> Iterator[Load]:
    """Without its self-test: what a machine that tests run on can carry is not known."""
    made = Load(server.url, heard, test_seconds=0)
    yield made
    made.stop()


def told(heard: Heard) -> list[dict[str, Any]]:
    return [each.load for each in heard.of(events.LoadUpdated)]


def wait_until_over(load: Load) -> None:
    wait_for(lambda: not load.running(), "the load is over")


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.02)
    return found


def generators(url: str) -> list[int]:
    """The processes that load this URL."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdecimal() else []
        except OSError:
            continue
        if b"dashboard.load.generator" in words and any(f'"{url}/'.encode() in word for word in words):
            found.append(int(entry.name))
    return found


def gone(pid: int) -> bool:
    """Ended, waited for or not: a helper's orphan is waited for by whoever inherits it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_all_that_is_due_is_sent_to_the_one_url_and_told_each_second(server: Server, load: Load, heard: Heard) -> None:
    load.start(LoadOptions(rate=50, duration=3), "Anna")
    assert load.running()
    wait_until_over(load)
    totals = load.totals()
    assert (totals.offered, totals.sent, totals.achieved, totals.dropped, totals.errors) == (150, 150, 150, 0, 0)
    assert server.requests == [PATH] * 150
    states = told(heard)
    assert [state["active"] for state in states] == [True] * (len(states) - 1) + [False]
    assert len(states) >= 4
    assert states[0]["by"] == "Anna" and states[0]["rate"] == 50 and states[0]["started"] < states[0]["ends"]
    assert any(state["p99_ms"] is not None and state["achieved"] > 0 for state in states)
    assert totals.lag_p99_ms is not None and totals.cpu_percent is not None and totals.failed is None


def test_the_rate_changes_while_it_runs_in_the_same_process(server: Server, load: Load, heard: Heard) -> None:
    load.start(LoadOptions(rate=100, duration=9), "Anna")
    (pid,) = generators(server.url)
    time.sleep(3)
    load.change_rate(400)
    time.sleep(3)
    assert generators(server.url) == [pid]
    load.change_rate(100.5)
    wait_until_over(load)
    totals = load.totals()
    assert totals.due == pytest.approx(1800, rel=0.1), "as long as this test slept"
    assert totals.offered == pytest.approx(totals.due, rel=0.02)
    assert totals.achieved == totals.sent == len(server.requests) and totals.failed is None
    assert [rate for rate, _ in groupby(state["rate"] for state in told(heard))] == [100, 400, 100.5]


def test_a_rate_out_of_bounds_is_refused_and_none_is_taken_where_no_load_runs(server: Server, load: Load) -> None:
    load.change_rate(400)
    load.start(LoadOptions(rate=50, duration=2), "Anna")
    for bad in (0, -1, 2001, float("nan")):
        with pytest.raises(InvalidOption):
            load.change_rate(bad)
    wait_until_over(load)
    load.change_rate(400)
    assert load.totals().offered == load.totals().due == len(server.requests) == 100


def test_a_change_while_it_ends_is_taken_by_nobody(server: Server, load: Load) -> None:
    load.start(LoadOptions(rate=50, duration=60), "Anna")
    (pid,) = generators(server.url)
    os.kill(pid, signal.SIGKILL)
    while load.running():
        load.change_rate(100)
    assert load.totals().failed == "The load ended early: it ended with signal 9."


def test_connections_are_given_up_so_that_new_pods_get_their_share(server: Server, load: Load) -> None:
    load.start(LoadOptions(rate=200, duration=2, connections=2), "Anna")
    wait_until_over(load)
    assert max(server.carried) == 50, "the most that one carries"
    assert sum(server.carried) == 400
    server.carried.clear()
    load.start(LoadOptions(rate=10, duration=5, connections=1), "Anna")
    wait_until_over(load)
    assert len(server.carried) >= 2 and max(server.carried) < 50, "nor is one kept for long"


def test_a_stall_is_seen_by_all_who_came_in_it(server: Server, load: Load) -> None:
    """A client that waits for its answer before it asks again meets the stall once, and tells of a fast server."""
    options = LoadOptions(rate=100, duration=6)
    waited: list[float] = []

    def ask_in_turn() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        while load.running():
            began = time.monotonic()
            connection.request("GET", PATH)
            connection.getresponse().read()
            waited.append(time.monotonic() - began)
            time.sleep(0.005)
        connection.close()

    load.start(options, "Anna")
    server.freeze = (time.monotonic() + 2, time.monotonic() + 3)
    closed = threading.Thread(target=ask_in_turn)
    closed.start()
    wait_until_over(load)
    closed.join()
    totals = load.totals()
    assert totals.achieved == totals.offered == 600
    assert totals.p99_ms is not None and totals.p99_ms > 500
    assert sum(seconds > 0.5 for seconds in waited) < len(waited) / 100, "its p99 does not know of it"


def test_where_nobody_listens_all_are_errors(heard: Heard) -> None:
    load = Load(f"http://127.0.0.1:{free_port()}", heard, test_seconds=0)
    load.start(LoadOptions(rate=50, duration=2), "Anna")
    wait_until_over(load)
    totals = load.totals()
    assert (totals.sent, totals.achieved, totals.by_kind, totals.p99_ms) == (100, 0, {"connect": 100}, None)
    assert any(state["errors_per_second"] > 0 for state in told(heard))


def test_a_503_is_an_answer_and_an_error(server: Server, load: Load) -> None:
    server.status = "503 Service Unavailable"
    load.start(LoadOptions(rate=50, duration=2), "Anna")
    wait_until_over(load)
    totals = load.totals()
    assert (totals.achieved, totals.errors, totals.by_kind) == (100, 100, {"5xx": 100})


def test_a_redirect_leads_nowhere(server: Server, load: Load) -> None:
    server.status, server.headers = "302 Found", "Location: /elsewhere\r\n"
    load.start(LoadOptions(rate=50, duration=1), "Anna")
    wait_until_over(load)
    assert load.totals().by_kind == {"other": 50}
    assert set(server.requests) == {PATH}


def test_a_connection_that_breaks_is_an_error(server: Server, load: Load) -> None:
    server.dropping = True
    load.start(LoadOptions(rate=50, duration=1), "Anna")
    wait_until_over(load)
    assert load.totals().by_kind == {"broken": 50}


def test_an_answer_that_does_not_come_is_given_up(server: Server) -> None:
    server.silent = True
    last = _generate(server, {"rate": 20, "duration": 1}, ANSWER_SECONDS=0.5)[-1]
    assert (last["sent"], last["answered"], last["errors"]["timeout"], last["in_flight"]) == (20, 0, 20, 0)
    assert last["whole_p50_ms"] >= 490, "the wait is part of the latency"


def test_beyond_what_may_be_under_way_is_dropped_and_counted(server: Server, load: Load) -> None:
    server.silent = True
    load.start(LoadOptions(rate=2000, duration=60, connections=200), "Anna")
    wait_for(lambda: load.totals().dropped > 100, "more was due than may be under way")
    load.stop()
    totals = load.totals()
    assert totals.offered == totals.sent + totals.dropped and totals.in_flight == totals.sent == 2000
    assert len(server.carried) == 200, "connections"


def test_one_load_at_a_time(load: Load) -> None:
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    with pytest.raises(LoadBusy) as busy:
        load.start(LoadOptions(rate=10, duration=60), "Berta")
    assert busy.value.by == "Anna"
    load.stop()
    load.start(LoadOptions(rate=10, duration=1), "Berta")
    wait_until_over(load)


def test_a_load_that_is_stopped_leaves_nothing(server: Server, load: Load, heard: Heard) -> None:
    server.silent = True
    load.start(LoadOptions(rate=50, duration=60), "Anna")
    (pid,) = generators(server.url)
    heard.wait(lambda heard: any(state["offered"] for state in told(heard)))
    load.stop()
    assert not load.running() and not Path(f"/proc/{pid}").exists(), "waited for, too"
    assert told(heard)[-1]["active"] is False and told(heard)[-1]["error"] is None
    assert load.totals().failed is None
    load.stop()
    requests = len(server.requests)
    time.sleep(0.2)
    assert len(server.requests) == requests


def test_one_that_does_not_stop_is_killed(server: Server, load: Load, heard: Heard) -> None:
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    (pid,) = generators(server.url)
    os.kill(pid, signal.SIGSTOP)
    load.stop()
    assert not load.running() and not Path(f"/proc/{pid}").exists()
    assert told(heard)[-1]["active"] is False


def test_one_that_dies_is_told_and_the_next_may_start(server: Server, load: Load, heard: Heard) -> None:
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    (pid,) = generators(server.url)
    os.kill(pid, signal.SIGKILL)
    wait_until_over(load)
    assert load.totals().failed == told(heard)[-1]["error"] == "The load ended early: it ended with signal 9."
    load.start(LoadOptions(rate=10, duration=1), "Berta")
    wait_until_over(load)
    assert load.totals().failed is None


def test_it_gets_none_of_the_dashboards_secrets(server: Server, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_TOKEN", "Op9-kq3Zr7Lw2Xv8Tn5B")
    load.start(LoadOptions(rate=10, duration=60), "Anna")
    (pid,) = generators(server.url)
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""


BEGUN = json.dumps(
    {
        "elapsed": 0, "offered": 0, "sent": 0, "dropped": 0, "answered": 0, "errors": {}, "in_flight": 0,
        "connections": 0, "p50_ms": None, "p99_ms": None, "whole_p50_ms": None, "whole_p99_ms": None,
        "lag_p99_ms": None, "whole_lag_p99_ms": None, "cpu_seconds": 0,
    }
)  # fmt: skip
SENT_MORE = BEGUN.replace('"sent": 0', '"sent": 9')


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo nonsense; exec sleep 60", "what it told can't be true: it was no sample"),
        ("exec tr '\\0' x </dev/zero", "what it told can't be true: it was no sample"),
        ("echo '{\"offered\": 1}'; exec sleep 60", "what it told can't be true: it was no sample"),
        (
            f"echo '{SENT_MORE}'; exec sleep 60",
            "what it told can't be true: what it sent and dropped is not what was due",
        ),
        ("exec sleep 60", "it said nothing for too long"),
        ("exec tr '\\0' x </dev/zero >&2", "it said nothing for too long"),
        ("exec >&- 2>&-; exec sleep 60", "it fell silent, and did not end"),
        ("echo 'Something broke.' >&2; exit 3", "it ended with status 3: Something broke"),
        ("exit 0", "it ended with status 0"),
    ],
)
@pytest.mark.parametrize("begun", [False, True], ids=["at once", "after it began"])
def test_one_that_lies_or_fails_is_ended_and_told(
    begun: bool, script: str, words: str, load: Load, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = tmp_path / "python"
    lines = ["#!/bin/sh", "PATH=/usr/bin:/bin", f"echo '{BEGUN}'" if begun else "", script]
    liar.write_text("\n".join(lines) + "\n")
    liar.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(liar))
    patience = 0.5 if "nothing" in words or "silent" in words else 30
    monkeypatch.setattr(child, "SILENT_SECONDS", patience)
    monkeypatch.setattr(child, "BEGIN_SECONDS", patience)
    if begun:
        load.start(LoadOptions(rate=10, duration=60), "Anna")
        wait_until_over(load)
        assert load.totals().failed == f"The load ended early: {words}."
        assert told(heard)[-1]["error"] == load.totals().failed
    else:
        with pytest.raises(ExternalError) as trouble:
            load.start(LoadOptions(rate=10, duration=60), "Anna")
        assert str(trouble.value) == load.totals().failed == f"The load generator did not start: {words}."
        assert not load.running() and not told(heard)


def test_one_that_cant_be_run_is_told(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ExternalError, match="it can't be run: No such file"):
        load.start(LoadOptions(rate=10, duration=60), "Anna")
    assert not load.running()


def test_it_dies_with_the_dashboard(server: Server) -> None:
    helper = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from dashboard.load.options import LoadOptions\n"
            "from dashboard.load.supervisor import Load\n"
            "Load(sys.argv[1], lambda told: None, test_seconds=0).start(LoadOptions(rate=10, duration=60), 'Anna')\n"
            "time.sleep(60)\n",
            server.url,
        ],
        cwd=ROOT,
    )
    try:
        wait_for(lambda: server.requests, "a request")
        (pid,) = generators(server.url)
        assert not gone(pid)
    finally:
        helper.kill()
        helper.wait()
    wait_for(lambda: gone(pid), "its end")


def test_the_kernel_ends_it_with_its_parent_though_its_input_stays_open(server: Server) -> None:
    reading, writing = os.pipe()
    instructions = json.dumps({"url": f"{server.url}{PATH}", "rate": 10, "duration": 60})
    script = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'dashboard.load.generator', sys.argv[1]]\n"
        "subprocess.run(command, stdin=int(sys.argv[2]), stdout=subprocess.DEVNULL)\n"
    )
    command = [sys.executable, "-c", script, instructions, str(reading)]
    helper = subprocess.Popen(command, cwd=ROOT, pass_fds=[reading])
    try:
        wait_for(lambda: server.requests, "a request")
        (pid,) = generators(server.url)
    finally:
        helper.kill()
        helper.wait()
    wait_for(lambda: gone(pid), "its end")
    os.close(reading)
    os.close(writing)


def test_the_end_of_its_input_ends_it_too(server: Server) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout and process.stdin
        assert json.loads(process.stdout.readline())["elapsed"] < 1
        process.stdin.close()
        last = json.loads(process.stdout.readlines()[-1])
        assert last["final"] and last["elapsed"] < 30
    assert process.returncode == 0


def test_a_new_rate_does_not_wait_for_the_old_ones_next_request(server: Server) -> None:
    """All five of the first rate are sent after 3.8 s, and a sixth would be due after the end."""
    with _generator(server, {"rate": 1.05, "duration": 4.7}) as process:
        assert process.stdout
        while json.loads(process.stdout.readline())["offered"] < 5:
            pass
        _say(process, "400\n")
        last = json.loads(process.stdout.readlines()[-1])
    assert last["final"] and 10 < last["offered"] == last["answered"] == len(server.requests) < 400


def test_a_change_that_the_end_of_its_input_cuts_off_is_none(server: Server) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout and process.stdin
        process.stdout.readline()
        _say(process, "200")
        process.stdin.close()
        last = json.loads(process.stdout.readlines()[-1])
    assert process.returncode == 0
    assert last["final"] and last["offered"] <= 10 * last["elapsed"] + 1


def test_a_word_to_stop_stops_it(server: Server) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout
        process.stdout.readline()
        _say(process, "stop\n")
        assert json.loads(process.stdout.readlines()[-1])["final"]
    assert process.returncode == 0


@pytest.mark.parametrize("said", ["nonsense\n", "\n", "NaN\n", "1e9\n", "0\n", '{"rate": 5}\n', "x" * 100, "\xff\n"])
def test_any_other_word_ends_it_in_one_sentence(server: Server, said: str) -> None:
    with _generator(server, {"rate": 10, "duration": 60}) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        _say(process, said)
        words = process.stderr.read()
        assert words.startswith("A load's ") and words.count("\n") == 1
    assert process.returncode == 1


def test_the_kernel_ends_it_when_it_hangs_in_itself(server: Server) -> None:
    hang = "Generator._send = lambda self: generator.time.sleep(60)"
    with _generator(server, {"rate": 10, "duration": 1}, hang, ANSWER_SECONDS=0.1, SPARE_SECONDS=0.1) as process:
        assert process.stdout
        assert len(process.stdout.readlines()) == 1
    assert process.returncode == -signal.SIGALRM


def test_a_fault_of_its_own_ends_it_with_its_name(server: Server) -> None:
    fault = "generator._drain = None"
    with _generator(server, {"rate": 10, "duration": 60}, fault) as process:
        assert process.stderr
        assert "TypeError" in process.stderr.read()
    assert process.returncode == 1


@pytest.mark.parametrize(
    "instructions",
    [{"rate": 5000, "duration": 10}, {"rate": 10, "duration": 5000}, {"rate": 10, "duration": 1, "connections": 999}],
)
def test_the_bounds_are_its_own_as_well(server: Server, instructions: dict[str, Any]) -> None:
    with _generator(server, instructions) as process:
        assert process.stderr
        assert process.stderr.read().startswith("There is nothing to load: A load's ")
    assert process.returncode == 1
    assert not server.requests


def test_the_self_test_asks_the_service_for_nothing(server: Server, heard: Heard) -> None:
    load = Load(server.url, heard, test_seconds=1)
    try:
        load.start(LoadOptions(rate=10, duration=1), "Anna")
    except ExternalError as trouble:  # a machine that runs tests may well be too busy
        assert str(trouble).startswith("This machine can't carry 10 requests a second now: in a test of 1 s, ")
        assert not server.requests
    else:
        wait_until_over(load)
        assert len(server.requests) == 10


def test_a_machine_that_cant_carry_it_is_told_before_anything_is_sent(
    server: Server, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.load.options.MOST_LAG_MS", -1.0)
    load = Load(server.url, heard, test_seconds=1)
    with pytest.raises(ExternalError, match="This machine can't carry 10 requests a second now") as trouble:
        load.start(LoadOptions(rate=10, duration=1), "Anna")
    assert load.totals().failed == str(trouble.value)
    assert not load.running() and not server.requests and not heard


def test_the_self_test_is_done_at_the_highest_rate_that_the_load_will_have(
    server: Server, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.load.options.MOST_LAG_MS", -1.0)
    load = Load(server.url, heard, test_seconds=1)
    with pytest.raises(GeneratorUnfit, match="This machine can't carry 20 requests a second now"):
        load.start(LoadOptions(rate=10, duration=1), "Anna", test_rate=20)
    with pytest.raises(InvalidOption):
        load.start(LoadOptions(rate=10, duration=1), "Anna", test_rate=20_000)
    assert not load.running() and not server.requests


def test_a_stop_in_the_self_test_stops_the_load(server: Server, heard: Heard) -> None:
    load = Load(server.url, heard, test_seconds=60)
    caught: list[BaseException] = []

    def start() -> None:
        try:
            load.start(LoadOptions(rate=10, duration=60), "Anna")
        except ExternalError as trouble:
            caught.append(trouble)

    starting = threading.Thread(target=start)
    starting.start()
    wait_for(load.running, "the self-test")
    load.stop()
    starting.join()
    assert str(caught[0]) == "The load was stopped before it began."
    assert not load.running() and not server.requests


def _generate(server: Server, instructions: dict[str, Any], **constants: float) -> list[dict[str, Any]]:
    """A load to its end, with other constants: its lines."""
    with _generator(server, instructions, "", **constants) as process:
        assert process.stdout
        return [json.loads(line) for line in process.stdout]


def _say(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdin
    process.stdin.write(words)
    process.stdin.flush()


def _generator(
    server: Server, instructions: dict[str, Any], changed: str = "", **constants: float
) -> subprocess.Popen[str]:
    """The generator as its command runs it, but for what is changed in it."""
    changes = [changed, *(f"generator.{name} = {value}" for name, value in constants.items())]
    imports = ["import sys", "from dashboard.load import generator", "from dashboard.load.generator import Generator"]
    lines = [*imports, *changes]
    return subprocess.Popen(
        [
            *(sys.executable, "-c", "\n".join([*lines, "generator.main(sys.argv[1:])"])),
            json.dumps({"url": f"{server.url}{PATH}", **instructions}),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
