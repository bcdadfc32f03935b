"""The client for shells and CI as a process, against a scripted stub of the dashboard and against the mock."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dashboard import outside
from dashboard import prove as module
from dashboard.prove import Dashboard, Progress, ProveError, follow
from tests.dashboard.process import DashboardProcess
from tests.dashboard.stubs import OPERATOR, ROOT, VIEWER, StubHandler, StubServer, wait_until
from tools.local.mongod import free_port

pytestmark = pytest.mark.slow  # starts processes

LINE = "persistence PASS mode=crash attempted=5120 lost=0 container=a1b2→c3d4"

Json = dict[str, Any]
DEMOS = [
    {"id": "persistence", "title": "Persistence", "claim": "It lasts", "evidence": [], "options": [{"name": "mode"}]},
    {"id": "autoscale", "title": "Autoscaling", "claim": "It scales", "evidence": [], "options": [{"name": "rate"}]},
]
STATE = {"about": {"kubernetes_version": "v1.36.3", "namespace": "n", "cluster": "c"}, "mongo": {"version": "7.0.1"}}
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
            "GET /api/demos": [(200, DEMOS)],
            "GET /api/state": [(200, STATE)],
        }
        self.on_request: dict[str, Callable[[], None]] = {}

    def script_run(self, *answers: Json | Answer, id_: str = "r1") -> None:
        """Script the answers about the run. A run is sent with status 200."""
        self.scripts[f"GET /api/runs/{id_}"] = [(200, each) if isinstance(each, dict) else each for each in answers]

    def script_both(self, persistence: Json | None, autoscale: Json | None) -> None:
        """Script a run of each demo; None: its start is refused."""
        runs = {"r1": persistence, "r2": autoscale}
        refused = (422, {"detail": "Not now."})
        self.scripts["POST /api/runs"] = [(202, {"id": id_}) if each else refused for id_, each in runs.items()]
        for id_, each in runs.items():
            if each:
                self.script_run(each | {"id": id_}, id_=id_)
            self.scripts[f"GET /api/runs/{id_}/report"] = [(200, {"report": True})]
            self.scripts[f"GET /api/runs/{id_}/report.html"] = [(200, "<!doctype html>")]
            self.scripts[f"GET /api/runs/{id_}/evidence"] = [(200, "records")]


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


ENCODINGS = [
    *({"PYTHONIOENCODING": encoding} for encoding in ("utf-8", "ascii", "cp1252", "latin-1")),
    {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]

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
            encoding=environment.get("PYTHONIOENCODING", "utf-8"),
            errors="replace",
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


@pytest.mark.parametrize("environment", ENCODINGS)
@pytest.mark.parametrize(("verdict", "expected"), [("pass", 0), ("fail", 1), ("inconclusive", 2)])
def test_files_and_status_are_the_same_in_every_encoding(
    prove: Prove, dashboard: StubDashboard, tmp_path: Path, environment: dict[str, str], verdict: str, expected: int
) -> None:
    claim = "t1 → a moment 😀"
    check = {"name": "t1", "claim": claim, "verdict": verdict, "reason": None}
    entry = {"at": "", "step": "", "text": "… 😀"}
    ended = run(verdict, line=LINE, reason="a → b … 😀", checks=[check], timeline=[entry])
    dashboard.script_run(ended)
    junit, summary = tmp_path / "ü" / "junit.xml", tmp_path / "summary.md"
    status, out, err = prove("--junit", str(junit), "--summary", str(summary), **environment)
    assert status == expected and "Traceback" not in err
    assert out.replace("→", "->") == LINE.replace("→", "->") + "\n"
    assert "\\U0001f600" in err or "😀" in err, "nothing is lost"
    assert claim in summary.read_text("utf-8") and claim in junit.read_text("utf-8")


def test_help_is_printed_in_every_encoding(start: Start) -> None:
    for environment in ENCODINGS:
        process = start("--help", **environment)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0 and "--junit" in out, err


@pytest.mark.parametrize("environment", ENCODINGS)
@pytest.mark.parametrize(("command", "failed"), [(["tools/deploy/prove"], 1), (["make", "prove"], 2)])
def test_make_prove_runs_every_demo_and_writes_junit(
    dashboard: StubDashboard, tmp_path: Path, environment: dict[str, str], command: list[str], failed: int
) -> None:
    """In a checkout whose `tools.deploy login` prints the stub's address. make's own status for any failure is 2."""
    for file in ("Makefile", "tools/deploy/prove", "dashboard/prove.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    link = f"dashboard {dashboard.url}/login#{OPERATOR}"
    python.write_text(f'#!/bin/sh\n[ "$2" = tools.deploy ] && echo "{link}" || exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    for file in ("requirements.txt", "pyproject.toml", "tools/deploy/venv", ".venv/base"):  # the last is the newest
        (tmp_path / file).touch()
    dashboard.script_both(run("pass", line=LINE), run("fail", line="autoscale FAIL 2→2"))
    ran = subprocess.run(
        command, cwd=tmp_path, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, timeout=60
    )
    assert ran.returncode == failed, ran.stderr
    lines = ran.stdout.decode(errors="replace").replace("→", "->").splitlines()
    assert lines == [LINE.replace("→", "->"), "autoscale FAIL 2->2"]
    assert sorted(path.suffix for path in (tmp_path / "reports").iterdir()) == [
        ".gz", ".gz", ".html", ".html", ".json", ".json", ".xml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("persistence", "autoscale", "status"),
    [
        ("pass", "pass", 0), ("pass", "fail", 1), ("fail", "inconclusive", 1), ("inconclusive", "pass", 2),
        (None, "pass", 2), (None, "fail", 1), (None, None, 2),
    ],
)  # fmt: skip
def test_all_runs_each_demo_and_ends_with_the_worst_status(
    prove: Prove, dashboard: StubDashboard, persistence: str | None, autoscale: str | None, status: int
) -> None:
    verdicts = {"persistence": persistence, "autoscale": autoscale}
    dashboard.script_both(*(run(each, line=f"{id_} {each}") if each else None for id_, each in verdicts.items()))
    ended, out, err = prove(demo="all")
    assert (ended, out.splitlines()) == (status, [f"{id_} {each}" for id_, each in verdicts.items() if each])
    assert [body["demo"] for key, body, _ in dashboard.requests if key == "POST /api/runs"] == [*verdicts]
    assert err.count("Not now.") == [*verdicts.values()].count(None)


def test_all_gives_an_option_to_the_demos_that_have_it(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.script_both(run("pass", line=LINE), run("pass", line=LINE))
    prove("--mode", "crash", demo="all")
    given = [body["options"] for key, body, _ in dashboard.requests if key == "POST /api/runs"]
    assert given == [{"mode": "crash"}, {}]


@pytest.mark.parametrize(
    ("answer", "arguments", "text"),
    [
        (None, [], "does not answer"),
        ((401, {"detail": "Invalid token."}), [], "PROVE_TOKEN"),
        ((200, []), [], "is not the dashboard"),
        ((200, DEMOS), ["--colour", "red"], "No demo takes the option colour."),
    ],
)
def test_all_without_a_list_of_demos_has_no_verdict(
    prove: Prove, dashboard: StubDashboard, tmp_path: Path, answer: Answer, arguments: list[str], text: str
) -> None:
    dashboard.scripts["GET /api/demos"] = [answer]
    junit = tmp_path / "junit.xml"
    status, out, err = prove("--junit", str(junit), *arguments, demo="all")
    assert (status, out) == (2, "") and text in err
    assert ElementTree.parse(junit).getroot().get("errors") == "1"


def test_interrupt_ends_all(start: Start, dashboard: StubDashboard) -> None:
    requested = threading.Event()
    dashboard.script_both(run(), run("pass", line=LINE))
    dashboard.on_request["GET /api/runs/r1"] = requested.set
    ended = run("inconclusive", line="persistence INCONCLUSIVE")
    dashboard.on_request["DELETE /api/runs/r1"] = lambda: dashboard.script_run(ended)
    process = start("--url", dashboard.url, demo="all")
    assert requested.wait(30)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "persistence INCONCLUSIVE\n")
    assert [key for key, *_ in dashboard.requests].count("POST /api/runs") == 1


def test_refused_start_is_an_error_in_the_junit_file(prove: Prove, dashboard: StubDashboard, tmp_path: Path) -> None:
    dashboard.scripts["POST /api/runs"] = [(409, {"detail": "A run is going."})]
    junit = tmp_path / "junit.xml"
    assert prove("--junit", str(junit))[0] == 2
    (error,) = ElementTree.parse(junit).getroot().findall("testsuite/testcase/error")
    assert "A run is going." in error.get("message", "")


def test_files_that_cannot_be_written_do_not_change_the_exit_status(
    prove: Prove, dashboard: StubDashboard, tmp_path: Path
) -> None:
    dashboard.script_run(run("fail", line=LINE))
    status, out, err = prove("--junit", str(tmp_path), "--summary", str(tmp_path))
    assert (status, out) == (1, f"{LINE}\n") and "could not be written" in err


def test_only_a_verdict_makes_the_exit_status_1(prove: Prove, dashboard: StubDashboard, tmp_path: Path) -> None:
    files = ("--junit", str(tmp_path / "junit.xml"), "--summary", str(tmp_path / "summary.md"))
    dashboard.scripts["GET /api/state"] = [(200, {"about": "?"})]
    dashboard.script_run(run("pass", line=LINE, checks=[1]))
    status, _, err = prove(*files)
    assert status == 0 and "could not be written" in err
    dashboard.script_run(run("pass", line=LINE, timeline=[1]))
    status, out, err = prove(*files)
    assert (status, out) == (2, "") and "Traceback" in err


def test_summary_is_appended(prove: Prove, dashboard: StubDashboard, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n\n")
    dashboard.script_both(run("pass", line=LINE), run("fail", line=LINE))
    prove("--summary", str(summary), demo="all")
    heads = [line for line in summary.read_text("utf-8").splitlines() if not line or line.startswith(("before", "#"))]
    assert [head for head in heads if head] == ["before", "### Persistence: PASS", "### Autoscaling: FAIL"]


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


def test_dashboard_that_does_not_know_the_run_yet_is_asked_again(prove: Prove, dashboard: StubDashboard) -> None:
    unknown = (404, {"detail": "There is no such run."})
    dashboard.script_run(run(), None, unknown, unknown, run("pass", line=LINE))
    status, out, err = prove()
    assert (status, out) == (0, f"{LINE}\n")
    assert err.count("Retrying for") == 1


def test_unknown_run_ends_the_client(dashboard: StubDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.prove.AWAY_SECONDS", 0.2)
    dashboard.script_run(run(), (404, {"detail": "There is no such run."}))
    with pytest.raises(ProveError, match="There is no such run"):
        follow(Dashboard(dashboard.url, OPERATOR), "r1", Progress(lambda line: None), 30.0, 0.05)


def test_refusal_ends_the_client_at_once(prove: Prove, dashboard: StubDashboard) -> None:
    dashboard.script_run(run(), (401, {"detail": "Invalid token."}))
    status, out, err = prove()
    assert (status, out) == (2, "") and "Invalid token." in err and "Retrying" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_aborts_the_run_and_waits_for_its_end(start: Start, dashboard: StubDashboard, number: int) -> None:
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


def test_login_link_is_accepted_as_url_and_token(start: Start, dashboard: StubDashboard) -> None:
    dashboard.script_run(run("pass", line=LINE))
    process = start("--url", f"{dashboard.url}/login#{OPERATOR}", PROVE_TOKEN="")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert dashboard.requests[0][2] == f"Bearer {OPERATOR}"


@pytest.mark.parametrize(
    "arguments",
    [["--url", "127.0.0.1:8080"], ["--url", "file:///etc/passwd"], ["--mode"], ["gentle"]],
)
def test_invalid_arguments_are_refused(start: Start, arguments: list[str]) -> None:
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
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_nobody_reads_changes_neither_the_run_nor_its_verdict(
    start: Start, mock: DashboardProcess, tmp_path: Path, stream: str
) -> None:
    with start("--url", mock.url, "--every", "0.1") as process:
        getattr(process, stream).close()
        assert process.wait(60) in (0, 1, 2)
    (file,) = (tmp_path / "reports").glob("*.json")
    assert json.loads(file.read_text())["verdict"] == ("pass", "fail", "inconclusive")[process.returncode]


@pytest.mark.slow
def test_errors_of_the_mock_are_reported(start: Start, mock: DashboardProcess) -> None:
    for arguments, token, text in (
        (("--rate", "-1"), OPERATOR, "rate must be"),
        (("--mode", "crash"), OPERATOR, "takes no other option"),
        ((), VIEWER, "A viewer has read access"),
        ((), "wr0ng-token-of-nobody", "Invalid token"),
    ):
        process = start("--url", mock.url, *arguments, demo="autoscale", PROVE_TOKEN=token)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "") and text in err, err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--every", "-1"), ("--every", "0"), ("--every", "nan"), ("--limit", "soon"),
        ("--url", "http://a b"), ("--url", "http://a:99999"), ("--url", "http://[::1"), ("--url", "a:8080"),
    ],
)  # fmt: skip
def test_invalid_value_is_refused_before_a_run(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        module.main(["persistence", f"{option}={value}", "--token", OPERATOR])
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("left_out", ["--namespace", "--service"])
def test_target_needs_its_namespace_and_service(left_out: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"--target": "target.yaml", "--namespace": "shop", "--service": "http://127.0.0.1:1"}
    words = [word for name, value in given.items() if name != left_out for word in (name, value)]
    with pytest.raises(SystemExit):
        module.main(["persistence", *words])
    assert "--namespace and --service" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--database", "127.0.0.1:5432"), ("--service", "http://127.0.0.1:1"), ("--secrets", "."), ("--namespace", "a")],
)
def test_options_of_a_target_without_one_are_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        module.main(["persistence", option, value, "--token", OPERATOR])
    assert "--target" in capsys.readouterr().err


def test_installed_dashboard_and_a_target_are_not_given_together(capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--target", "target.yaml", "--namespace", "shop", "--service", "http://127.0.0.1:1")
    with pytest.raises(SystemExit):
        module.main(["persistence", *here, "--url", "http://127.0.0.1:8081"])
    assert "give one of them" in capsys.readouterr().err


def test_callers_environment_does_not_change_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_SOURCE", "mock")
    monkeypatch.setenv("MOCK_OUTCOME", "pass")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers=9")
    assert not {"DASHBOARD_SOURCE", "MOCK_OUTCOME", "GUNICORN_CMD_ARGS"} & outside._environment().keys()
    assert "PATH" in outside._environment()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_dashboard_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "from dashboard import outside\n"
        "sleeps = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "made = subprocess.Popen(sleeps, preexec_fn=outside._end_with_parent)\n"
        "print(made.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdout
        child = int(program.stdout.readline())
        program.kill()
    wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])


def test_databases_address_is_given_to_the_dashboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--target", str(tmp_path / "none"), "--namespace", "shop", "--service", "http://127.0.0.1:1"]
    assert module.main(["persistence", *words, "--database", "127.0.0.1"]) == 2
    assert "TARGET_DATABASE" in capsys.readouterr().err


def test_dashboard_that_does_not_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "target.yaml"
    target.write_text("{}")
    words = ["--target", str(target), "--namespace", "shop", "--service", "http://127.0.0.1:1"]
    assert module.main(["persistence", *words, "--kubeconfig", str(tmp_path / "none")]) == 2
    assert "TARGET_FILE" in capsys.readouterr().err
