"""The client for shells and CI as a process, against a scripted stub of the dashboard and against the mock."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR, ROOT, VIEWER, StubHandler, StubServer
from tools.local.mongod import free_port

pytestmark = pytest.mark.slow  # starts processes

LINE = "persistence PASS mode=crash attempted=5120 lost=0 container=a1b2→c3d4"

Json = dict[str, Any]
Answer = tuple[int, Any] | None  # None: the connection is closed without an answer


def run(verdict: str = "running", **fields: Any) -> Json:
    return {"id": "r1", "demo": "persistence", "verdict": verdict, "line": None, "reason": None} | fields


class StubDashboard(StubServer):
    """A dashboard with scripted answers to each "METHOD /path". The last answer of a script is repeated."""

    def __init__(self) -> None:
        super().__init__(StubDashboardHandler)
        self.requests: list[tuple[str, Any, str | None]] = []  # ("METHOD /path", body, Authorization)
        self.scripts: dict[str, list[Answer]] = {
            "POST /api/runs": [(202, {"id": "r1"})],
            "DELETE /api/runs/r1": [(202, {"id": "r1"})],
            "GET /api/runs/r1/report": [(200, {"report": True})],
            "GET /api/runs/r1/report.html": [(200, "<!doctype html>")],
            "GET /api/runs/r1/evidence": [(200, "records")],
        }
        self.on_request: dict[str, Callable[[], None]] = {}

    def script_run(self, *answers: Json | Answer) -> None:
        """Script the answers about the run. A run is sent with status 200."""
        self.scripts["GET /api/runs/r1"] = [(200, each) if isinstance(each, dict) else each for each in answers]


class StubDashboardHandler(StubHandler):
    server: StubDashboard

    def do_GET(self) -> None:
        key, body = f"{self.command} {self.path}", self.body()
        self.server.requests.append((key, json.loads(body) if body else None, self.headers.get("Authorization")))
        script = self.server.scripts[key]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if callback := self.server.on_request.get(key):
            callback()
        if answer is None:
            self.close_connection = True
            return
        status, content = answer
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.respond(status, data, {"Location": content} if status == 307 else {})

    do_POST = do_DELETE = do_GET


@pytest.fixture
def dashboard() -> Iterator[StubDashboard]:
    with StubDashboard() as stub:
        yield stub


Start = Callable[..., subprocess.Popen[str]]
Prove = Callable[..., tuple[int, str, str]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """A function that starts the client, without installed packages."""

    def start(*arguments: str, demo: str = "persistence", **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-S", "-m", "dashboard.prove", demo, "--reports", str(tmp_path / "reports"), *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PROVE_TOKEN": OPERATOR, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def prove(start: Start, dashboard: StubDashboard) -> Prove:
    """A function that runs the client to its end. It returns the exit status, stdout and stderr."""

    def prove(*arguments: str, **options: str) -> tuple[int, str, str]:
        process = start("--url", dashboard.url, "--every", "0.05", *arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return prove


@pytest.mark.parametrize(("verdict", "status"), [("pass", 0), ("fail", 1), ("inconclusive", 2)])
def test_exit_status_is_the_verdict_and_stdout_the_line(
    prove: Prove, dashboard: StubDashboard, verdict: str, status: int
) -> None:
    dashboard.script_run(run(), run(verdict, line=LINE))
    assert prove()[:2] == (status, f"{LINE}\n")


@pytest.mark.parametrize(("encoding", "arrow"), [("utf-8", "→"), ("ascii", "->"), ("cp1252", "->"), ("latin-1", "->")])
def test_status_does_not_depend_on_the_terminals_encoding(
    prove: Prove, dashboard: StubDashboard, encoding: str, arrow: str
) -> None:
    dashboard.script_run(run(), run("pass", line="persistence PASS pod=a→b 😀"))
    status, out, _ = prove(PYTHONIOENCODING=encoding)
    assert status == 0 and f"pod=a{arrow}b" in out


def test_run_is_started_with_the_options_and_the_token(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.script_run(run("pass", line=LINE))
    prove("--mode", "crash")
    key, body, authorization = dashboard.requests[0]
    assert (key, body) == ("POST /api/runs", {"demo": "persistence", "options": {"mode": "crash"}})
    assert authorization == f"Bearer {OPERATOR}"


def test_stderr_has_the_steps_and_the_timeline_with_the_elapsed_time(prove: Prove, dashboard: StubDashboard) -> None:
    def step(state: str) -> list[Json]:
        return [{"id": "kill", "title": "Kill the database", "state": state, "text": "0.7 s"}]

    begun = {"at": "2026-11-24T12:00:00Z", "step": "kill", "text": "Kill the database"}
    killed = {"at": "2026-11-24T12:00:01Z", "step": "kill", "text": "SIGKILL\x1b[31m for mongod"}
    ended = {"at": "2026-11-24T12:00:09Z", "step": "", "text": "FAIL: it did not end"}
    dashboard.script_run(
        run(steps=step("waiting"), timeline=[]),
        run(steps=step("running"), timeline=[begun, killed]),
        run(steps=step("running"), timeline=[begun, killed]),
        run("fail", line=LINE, steps=step("failed"), timeline=[begun, killed, ended]),
    )
    _, _, err = prove()
    lines = err.splitlines()
    assert all(line[:9].strip().endswith(" s") and float(line[:7]) >= 0 for line in lines)
    texts = [line[10:] for line in lines]
    assert texts[1:4] == ["Kill the database", "  SIGKILL [31m for mongod", "  FAIL: it did not end"]


def test_reports_and_evidence_file_are_saved(prove: Prove, dashboard: StubDashboard, tmp_path: Path) -> None:
    dashboard.script_run(run("pass", line=LINE))
    prove()
    evidence, page, file = sorted((tmp_path / "reports").iterdir())
    assert (page.suffix, file.suffix) == (".html", ".json") and page.stem == file.stem
    assert evidence.name == f"{file.stem}.evidence.jsonl.gz" and evidence.read_text() == "records"
    assert file.stem.endswith("Z-persistence")
    assert json.loads(file.read_text()) == {"report": True} and page.read_text() == "<!doctype html>"


def test_failed_report_does_not_change_the_exit_status(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.script_run(run("pass", line=LINE))
    dashboard.scripts["GET /api/runs/r1/report"] = [(500, {"detail": "no"})]
    status, out, err = prove()
    assert (status, out) == (0, f"{LINE}\n") and "could not be saved" in err


def test_unavailable_dashboard_is_retried(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.script_run(run(), None, (503, "<html>"), (502, {"detail": "no"}), run("pass", line=LINE))
    status, out, err = prove()
    assert (status, out) == (0, f"{LINE}\n")
    assert err.count("Retrying for") == 1


@pytest.mark.parametrize(
    ("answer", "texts"),
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
def test_refused_start_is_reported_with_the_next_step(
    prove: Prove, dashboard: StubDashboard, answer: Answer, texts: list[str]
) -> None:
    dashboard.scripts["POST /api/runs"] = [answer]
    status, out, err = prove()
    assert (status, out) == (2, "")
    assert all(text in err for text in texts) and "Traceback" not in err


def test_conflict_with_a_run_that_is_ending_is_retried(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.scripts["POST /api/runs"] = [(409, {"detail": "A run is going."}), (202, {"id": "r1"})]
    dashboard.script_run(run("pass", line=LINE))
    assert prove()[0] == 0


def test_unreachable_dashboard_is_reported(start: Start) -> None:
    process = start("--url", f"http://127.0.0.1:{free_port()}")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "does not answer: Connection refused. Is the address right" in err


def test_unknown_run_ends_the_client(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.script_run(run(), (404, {"detail": "There is no such run."}))
    status, out, err = prove()
    assert (status, out) == (2, "") and "There is no such run." in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_aborts_the_run_and_waits_for_its_end(
    start: Start, dashboard: StubDashboard, number: int
) -> None:
    requested = threading.Event()
    dashboard.script_run(run())
    dashboard.on_request["GET /api/runs/r1"] = requested.set
    ended = run("inconclusive", line="persistence INCONCLUSIVE reason=aborted")
    dashboard.on_request["DELETE /api/runs/r1"] = lambda: dashboard.script_run(run(), ended)
    process = start("--url", dashboard.url)
    assert requested.wait(30)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "persistence INCONCLUSIVE reason=aborted\n")
    assert "interrupted: aborting" in err and "Traceback" not in err


def test_run_over_the_time_limit_is_aborted(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.script_run(run())
    aborted = run("inconclusive", reason="It was aborted.")
    dashboard.on_request["DELETE /api/runs/r1"] = lambda: dashboard.script_run(aborted)
    status, out, _ = prove("--limit", "1")
    assert (status, out) == (2, "persistence INCONCLUSIVE reason=It was aborted.\n")


def test_login_link_is_accepted_as_url_and_token(
    start: Start, dashboard: StubDashboard
) -> None:
    dashboard.script_run(run("pass", line=LINE))
    process = start("--url", f"{dashboard.url}/login#{OPERATOR}", PROVE_TOKEN="")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert dashboard.requests[0][2] == f"Bearer {OPERATOR}"


@pytest.mark.parametrize(
    "arguments",
    [["--url", "127.0.0.1:8080"], ["--url", "file:///etc/passwd"], ["--mode"], ["gentle"]],
)
def test_invalid_arguments_are_refused(
    start: Start, arguments: list[str]
) -> None:
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "") and "usage:" in err


def test_missing_token_sends_no_request(start: Start, dashboard: StubDashboard) -> None:
    process = start("--url", dashboard.url, PROVE_TOKEN="")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "PROVE_TOKEN" in err and dashboard.requests == []


def test_file_runs_without_the_package(tmp_path: Path) -> None:
    alone = tmp_path / "prove.py"
    alone.write_bytes((ROOT / "dashboard" / "prove.py").read_bytes())
    completed = subprocess.run(
        [sys.executable, "-I", "-S", str(alone), "--help"], capture_output=True, text=True, timeout=60
    )
    assert completed.returncode == 0 and "persistence" in completed.stdout


def test_file_runs_beside_modules_named_like_the_standard_librarys() -> None:
    command = [sys.executable, "-S", str(ROOT / "dashboard" / "prove.py"), "--help"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0


@pytest.fixture(scope="module")
def mock() -> Iterator[DashboardProcess]:
    """A dashboard on the mock source, whose runs take a second."""
    with DashboardProcess(viewers=4, MOCK_SPEED="20") as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("demo", ["persistence", "autoscale"])
def test_run_on_the_mock_has_a_line_and_reports(
    start: Start, mock: DashboardProcess, tmp_path: Path, demo: str
) -> None:
    process = start("--url", mock.url, "--every", "0.1", demo=demo)
    out, err = process.communicate(timeout=60)
    verdict = ("PASS", "FAIL", "INCONCLUSIVE")[process.returncode]
    assert out.startswith(f"{demo} {verdict} ") and out.count("\n") == 1, out + err
    (file,), (page,) = (tmp_path / "reports").glob("*.json"), (tmp_path / "reports").glob("*.html")
    assert json.loads(file.read_text())["line"] == out.strip()
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.slow
def test_errors_of_the_mock_are_reported(
    start: Start, mock: DashboardProcess
) -> None:
    for arguments, token, text in (
        (("--rate", "-1"), OPERATOR, "rate must be"),
        (("--mode", "crash"), OPERATOR, "takes no other option"),
        ((), VIEWER, "A viewer has read access"),
        ((), "wr0ng-token-of-nobody", "Invalid token"),
    ):
        process = start("--url", mock.url, *arguments, demo="autoscale", PROVE_TOKEN=token)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "") and text in err, err
