"""The client for shells and CI, as a process, against a dashboard that plays what each test needs."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR, VIEWER
from tools.local.mongod import free_port

pytestmark = pytest.mark.slow  # each starts programs of its own

ROOT = Path(__file__).parents[2]
TOKEN = OPERATOR
LINE = "persistence PASS mode=crash attempted=5120 lost=0 container=a1b2→c3d4"

Json = dict[str, Any]
Answer = tuple[int, Any] | None  # None: the connection is closed without one


def run(verdict: str = "running", **more: Any) -> Json:
    return {"id": "r1", "demo": "persistence", "verdict": verdict, "line": None, "reason": None} | more


class Dashboard(ThreadingHTTPServer):
    """Answers with what is scripted for "METHOD /path", in order; the last of a script stays."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.asked: list[tuple[str, Any, str | None]] = []
        self.scripts: dict[str, list[Answer]] = {
            "POST /api/runs": [(202, {"id": "r1"})],
            "DELETE /api/runs/r1": [(202, {"id": "r1"})],
            "GET /api/runs/r1/report": [(200, {"report": True})],
            "GET /api/runs/r1/report.html": [(200, "<!doctype html>")],
        }
        self.on: dict[str, Callable[[], None]] = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def play(self, *runs: Json | Answer) -> None:
        self.scripts["GET /api/runs/r1"] = [(200, each) if isinstance(each, dict) else each for each in runs]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is interrupted leaves."""


class Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # or each answer in two writes waits 40 ms for an ACK
    server: Dashboard

    def answer(self) -> None:
        key = f"{self.command} {self.path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((key, json.loads(body) if body else None, self.headers.get("Authorization")))
        script = self.server.scripts[key]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if after := self.server.on.get(key):
            after()
        if answer is None:
            self.close_connection = True
            return
        status, content = answer
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        if status == 307:
            self.send_header("Location", content)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """The requests are recorded instead."""


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    server = Dashboard()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(tmp_path: Path, dashboard: Dashboard) -> Callable[..., subprocess.Popen[str]]:
    """Starts the client, without the packages of any environment."""

    def start(*arguments: str, demo: str = "persistence", **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-S", "-m", "dashboard.prove", demo, "--reports", str(tmp_path / "reports"), *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PROVE_TOKEN": TOKEN, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def prove(start: Callable[..., subprocess.Popen[str]], dashboard: Dashboard) -> Callable[..., tuple[int, str, str]]:
    """Status, stdout and stderr of a client that ran to its end."""

    def prove(*arguments: str, **more: str) -> tuple[int, str, str]:
        process = start("--url", dashboard.url, "--every", "0.05", *arguments, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return prove


Prove = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(("verdict", "status"), [("pass", 0), ("fail", 1), ("inconclusive", 2)])
def test_its_status_is_the_verdict_and_its_output_the_line(
    prove: Prove, dashboard: Dashboard, verdict: str, status: int
) -> None:
    dashboard.play(run(), run(verdict, line=LINE))
    assert prove()[:2] == (status, f"{LINE}\n")


@pytest.mark.parametrize(("encoding", "arrow"), [("utf-8", "→"), ("ascii", "->"), ("cp1252", "->"), ("latin-1", "->")])
def test_status_does_not_depend_on_the_terminals_encoding(
    prove: Prove, dashboard: Dashboard, encoding: str, arrow: str
) -> None:
    dashboard.play(run(), run("pass", line="persistence PASS pod=a→b 😀"))
    status, out, _ = prove(PYTHONIOENCODING=encoding)
    assert status == 0 and f"pod=a{arrow}b" in out


def test_it_asks_for_the_demo_with_its_options_and_the_token(prove: Prove, dashboard: Dashboard) -> None:
    dashboard.play(run("pass", line=LINE))
    prove("--mode", "crash")
    key, body, authorization = dashboard.asked[0]
    assert (key, body) == ("POST /api/runs", {"demo": "persistence", "options": {"mode": "crash"}})
    assert authorization == f"Bearer {TOKEN}"


def test_it_shows_the_steps_as_they_happen_with_the_time(prove: Prove, dashboard: Dashboard) -> None:
    def step(state: str) -> list[Json]:
        return [{"id": "kill", "title": "Kill the database", "state": state, "text": "0.7 s"}]

    begun = {"at": "2026-11-24T12:00:00Z", "step": "kill", "text": "Kill the database"}
    killed = {"at": "2026-11-24T12:00:01Z", "step": "kill", "text": "SIGKILL\x1b[31m for mongod"}
    ended = {"at": "2026-11-24T12:00:09Z", "step": "", "text": "FAIL: it would not die"}
    dashboard.play(
        run(steps=step("waiting"), timeline=[]),
        run(steps=step("running"), timeline=[begun, killed]),
        run(steps=step("running"), timeline=[begun, killed]),
        run("fail", line=LINE, steps=step("failed"), timeline=[begun, killed, ended]),
    )
    _, _, err = prove()
    lines = err.splitlines()
    assert all(line[:9].strip().endswith(" s") and float(line[:7]) >= 0 for line in lines)
    said = [line[10:] for line in lines]
    assert said[1:4] == ["Kill the database", "  SIGKILL [31m for mongod", "  FAIL: it would not die"]


def test_it_keeps_both_reports(prove: Prove, dashboard: Dashboard, tmp_path: Path) -> None:
    dashboard.play(run("pass", line=LINE))
    prove()
    page, file = sorted((tmp_path / "reports").iterdir())
    assert (page.suffix, file.suffix) == (".html", ".json") and page.stem == file.stem
    assert file.stem.endswith("Z-persistence")
    assert json.loads(file.read_text()) == {"report": True} and page.read_text() == "<!doctype html>"


def test_verdict_stands_without_a_report(prove: Prove, dashboard: Dashboard) -> None:
    dashboard.play(run("pass", line=LINE))
    dashboard.scripts["GET /api/runs/r1/report"] = [(500, {"detail": "no"})]
    status, out, err = prove()
    assert (status, out) == (0, f"{LINE}\n") and "could not be saved" in err


def test_dashboard_that_is_away_for_a_while_is_waited_for(prove: Prove, dashboard: Dashboard) -> None:
    dashboard.play(run(), None, (503, "<html>"), (502, {"detail": "no"}), run("pass", line=LINE))
    status, out, err = prove()
    assert (status, out) == (0, f"{LINE}\n")
    assert err.count("Retrying for") == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {"detail": "Invalid token."}), ["Invalid token", "PROVE_TOKEN"]),
        ((403, {"detail": "A viewer has read access only."}), ["A viewer has read access", "operator's token"]),
        ((409, {"detail": "A run is going.", "holder": "dashboard-1"}), ["A run is going.", "Wait until"]),
        ((422, {"detail": "rate must be from 1 to 2,000."}), ["rate must be from 1 to 2,000."]),
        ((404, "<html>"), ["answers with status 404"]),
        ((200, "<html>"), ["is not the dashboard", "--url"]),
        ((202, ["r1"]), ["is not the dashboard"]),
        ((307, "http://127.0.0.1:9/"), ["answers with status 307"]),
        (None, ["does not answer"]),
    ],
)
def test_refused_start_is_explained_with_the_next_step(
    prove: Prove, dashboard: Dashboard, answer: Answer, words: list[str]
) -> None:
    dashboard.scripts["POST /api/runs"] = [answer]
    status, out, err = prove()
    assert (status, out) == (2, "")
    assert all(each in err for each in words) and "Traceback" not in err


def test_run_that_has_just_ended_may_still_be_in_the_way_for_a_moment(prove: Prove, dashboard: Dashboard) -> None:
    dashboard.scripts["POST /api/runs"] = [(409, {"detail": "A run is going."}), (202, {"id": "r1"})]
    dashboard.play(run("pass", line=LINE))
    assert prove()[0] == 0


def test_unreachable_dashboard_is_one_sentence(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("--url", f"http://127.0.0.1:{free_port()}")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "does not answer: Connection refused. Is the address right" in err


def test_run_that_the_dashboard_forgot_ends_it(prove: Prove, dashboard: Dashboard) -> None:
    dashboard.play(run(), (404, {"detail": "There is no such run."}))
    status, out, err = prove()
    assert (status, out) == (2, "") and "There is no such run." in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_aborts_the_run_and_waits_for_its_end(
    start: Callable[..., subprocess.Popen[str]], dashboard: Dashboard, number: int
) -> None:
    asked = threading.Event()
    dashboard.play(run())
    dashboard.on["GET /api/runs/r1"] = asked.set
    ended = run("inconclusive", line="persistence INCONCLUSIVE reason=aborted")
    dashboard.on["DELETE /api/runs/r1"] = lambda: dashboard.play(run(), ended)
    process = start("--url", dashboard.url)
    assert asked.wait(30)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "persistence INCONCLUSIVE reason=aborted\n")
    assert "interrupted: aborting" in err and "Traceback" not in err


def test_run_that_takes_too_long_is_aborted(prove: Prove, dashboard: Dashboard) -> None:
    dashboard.play(run())
    dashboard.on["DELETE /api/runs/r1"] = lambda: dashboard.play(run("inconclusive", reason="It was aborted."))
    status, out, _ = prove("--limit", "1")
    assert (status, out) == (2, "persistence INCONCLUSIVE reason=It was aborted.\n")


def test_login_link_is_address_and_token_in_one(
    start: Callable[..., subprocess.Popen[str]], dashboard: Dashboard
) -> None:
    dashboard.play(run("pass", line=LINE))
    process = start("--url", f"{dashboard.url}/login#{TOKEN}", PROVE_TOKEN="")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert dashboard.asked[0][2] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "arguments",
    [["--url", "127.0.0.1:8080"], ["--url", "file:///etc/passwd"], ["--mode"], ["gentle"]],
)
def test_arguments_that_make_no_sense_are_refused(
    start: Callable[..., subprocess.Popen[str]], arguments: list[str]
) -> None:
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "") and "usage:" in err


def test_without_a_token_nothing_is_asked(start: Callable[..., subprocess.Popen[str]], dashboard: Dashboard) -> None:
    process = start("--url", dashboard.url, PROVE_TOKEN="")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "PROVE_TOKEN" in err and dashboard.asked == []


def test_file_runs_alone(tmp_path: Path) -> None:
    alone = tmp_path / "prove.py"
    alone.write_bytes((ROOT / "dashboard" / "prove.py").read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(alone), "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "persistence" in done.stdout


def test_file_runs_in_its_own_directory_where_its_neighbours_could_be_taken_for_pythons_modules() -> None:
    command = [sys.executable, "-S", str(ROOT / "dashboard" / "prove.py"), "--help"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0


@pytest.fixture(scope="module")
def mock() -> Iterator[DashboardProcess]:
    """The dashboard itself, on the mock, whose runs take a second."""
    with DashboardProcess(viewers=4, MOCK_SPEED="20") as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("demo", ["persistence", "autoscale"])
def test_dashboard_itself_is_understood(
    start: Callable[..., subprocess.Popen[str]], mock: DashboardProcess, tmp_path: Path, demo: str
) -> None:
    process = start("--url", mock.url, "--every", "0.1", demo=demo)
    out, err = process.communicate(timeout=60)
    verdict = ("PASS", "FAIL", "INCONCLUSIVE")[process.returncode]
    assert out.startswith(f"{demo} {verdict} ") and out.count("\n") == 1, out + err
    (file,), (page,) = (tmp_path / "reports").glob("*.json"), (tmp_path / "reports").glob("*.html")
    assert json.loads(file.read_text())["line"] == out.strip()
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.slow
def test_dashboards_own_refusals_are_understood(
    start: Callable[..., subprocess.Popen[str]], mock: DashboardProcess
) -> None:
    for arguments, token, words in (
        (("--rate", "-1"), OPERATOR, "rate must be"),
        (("--mode", "crash"), OPERATOR, "takes no other option"),
        ((), VIEWER, "A viewer has read access"),
        ((), "wr0ng-token-of-nobody", "Invalid token"),
    ):
        process = start("--url", mock.url, *arguments, demo="autoscale", PROVE_TOKEN=token)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "") and words in err, err
