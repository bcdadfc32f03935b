"""Runs a demo on a dashboard, or all of them, from a shell or CI, and exits with the verdict.

    PROVE_TOKEN=… python -m dashboard.prove persistence --mode crash --url http://127.0.0.1:8080

Progress goes to stderr, each verdict's line to stdout, the reports and the evidence file to reports/. Exit status: 0
PASS, 1 FAIL, 2 INCONCLUSIVE or no verdict; of several the worst, and FAIL is the worst. It needs the standard library
only, so this file also runs alone. Give the token as PROVE_TOKEN: the list of processes does not show it.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import html
import http.client
import io
import json
import os
import platform
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener
from xml.etree import ElementTree

ALL = "all"  # in place of a demo's id
CONTRACT = "contract"  # in place of a demo's id, to try a service's contract
STATUSES = {"pass": 0, "fail": 1, "inconclusive": 2}
RANKING = (0, 2, 1)  # exit statuses, the worst last
INTERRUPTED = "Interrupted."
UNDER_WAY = "See the dashboard's page for whether a run is still under way."
SPELLED = {"→": "->", "…": "...", "\N{EN DASH}": "-"}  # where the terminal lacks them

URL = "http://127.0.0.1:8080"  # where `make up` leads to
ANSWER_SECONDS = 10.0
AWAY_SECONDS = 90.0  # for a dashboard that is replaced meanwhile to be back
LEAVING_SECONDS = 4.0  # for the run before, which has its verdict, to release the lease
QUIET_SECONDS = 10.0  # without a new entry, after which the step's progress is printed
ABORT_SECONDS = 60.0  # for an aborted run to clean up
MOST_SECONDS = 1e6  # of an option
LARGEST_ANSWER = 16 << 20  # bytes
NOT_FOUND = 404

Json = dict[str, Any]
Log = Callable[[str], None]


class ProveError(Exception):
    """There is no verdict. The message says why and what to do.

    ProveError
    ├── DashboardUnavailable   no complete answer: a retry may succeed
    └── DashboardRefused       an answer, but an error or an unexpected one
    """


class DashboardUnavailable(ProveError):
    pass


class DashboardRefused(ProveError):
    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # CI cancels with SIGTERM, a terminal that closes with SIGHUP
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    spell_out()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == [CONTRACT]:
            from dashboard.target.command import main as try_contract  # only this needs more than the standard library

            return try_contract(given[1:], say)
        options = _parse(given)
        with _dashboard(options) as (options.url, options.token):
            return prove(options)
    except ProveError as error:
        say(str(error), "stderr")
    except KeyboardInterrupt:
        say(INTERRUPTED if given[:1] == [CONTRACT] else f"{INTERRUPTED} {UNDER_WAY}", "stderr")
    except Exception:  # a defect, which must not look like a FAIL: Python's own exit status is 1
        say(traceback.format_exc(), "stderr")
    return 2


class Outcome(NamedTuple):
    """What became of a demo. `demo` is as GET /api/demos lists it, or its id alone; without a run, `problem` says why.
    `versions` are of the deployment."""

    demo: Json
    run: Json | None
    problem: str = ""
    versions: dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def verdict(self) -> str:
        return str(self.run["verdict"]) if self.run else "inconclusive"

    @property
    def reason(self) -> str:
        return plain(str(self.run.get("reason") or "")) if self.run else plain(self.problem)


def prove(options: argparse.Namespace) -> int:
    """Run the demo, or all of them, one after another. Return the worst exit status."""
    log = _timed_log()
    dashboard = Dashboard(options.url, options.token)
    outcomes: list[Outcome] = []
    try:
        for demo, given in _chosen(dashboard, options):
            one = argparse.Namespace(**vars(options) | {"demo": demo["id"], "given": given})
            outcomes.append(_outcome(dashboard, demo, one, log))
            _write(outcomes, options, log)  # after each: CI may end this program before the last
            if outcomes[-1].problem == INTERRUPTED:
                break
    except ProveError as error:  # there is no list of demos
        outcomes.append(Outcome({"id": options.demo}, None, _printed(error)))
        _write(outcomes, options, log)
    return max((STATUSES[each.verdict] for each in outcomes), key=RANKING.index)


@contextlib.contextmanager
def _dashboard(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the address and the token of the dashboard: the given one, or with a target one of our own. Raise
    ProveError."""
    if not options.target:
        yield options.url, options.token
        return
    from dashboard import outside  # this file alone can run a demo on an installed dashboard

    addresses = options.service, options.database
    target = (options.target, options.namespace, options.kubeconfig, *addresses, options.secrets)
    try:
        with outside.dashboard(*target) as found:
            yield found
    except outside.DashboardStartError as error:
        raise ProveError(str(error)) from None


def _chosen(dashboard: Dashboard, options: argparse.Namespace) -> Iterator[tuple[Json, Json]]:
    """Yield each demo to run with its options. With `all`, an option is for the demos that have it."""
    if options.demo != ALL:
        yield {"id": options.demo}, options.given
        return
    demos = dashboard.demos()
    names = {demo["id"]: {option["name"] for option in demo["options"]} for demo in demos}
    if unknown := set(options.given) - set().union(*names.values()):
        raise ProveError(f"No demo takes the option {', '.join(sorted(unknown))}.")
    for demo in demos:
        yield demo, {name: value for name, value in options.given.items() if name in names[demo["id"]]}


def _outcome(dashboard: Dashboard, demo: Json, options: argparse.Namespace, log: Log) -> Outcome:
    try:
        run, interrupted = run_demo(dashboard, options, log)
    except ProveError as error:
        return Outcome(demo, None, _printed(error))
    except KeyboardInterrupt:
        say(f"{INTERRUPTED} {UNDER_WAY}", "stderr")
        return Outcome(demo, None, INTERRUPTED)
    versions: dict[str, str] = {}
    if options.junit or options.summary:
        with contextlib.suppress(ProveError, KeyboardInterrupt, AttributeError):  # worth less than the verdict
            demo = next((each for each in dashboard.demos() if each["id"] == demo["id"]), demo)
            versions = dashboard.versions()
    return Outcome(demo, run, INTERRUPTED if interrupted else "", versions)


def run_demo(dashboard: Dashboard, options: argparse.Namespace, log: Log) -> tuple[Json, bool]:
    """Start the demo, follow it to its end, save its report and print its line. Return the ended run, and whether it
    was interrupted from here."""
    run_id = dashboard.start(options.demo, options.given)
    log(f"{options.demo} runs as {run_id}")
    progress = Progress(log)
    interrupted = False
    try:
        run = follow(dashboard, run_id, progress, options.limit, options.every)
    except KeyboardInterrupt:
        interrupted = True
        run = _abort(dashboard, run_id, progress, options.every, "interrupted")
    if run is None:
        run = _abort(dashboard, run_id, progress, options.every, f"not over after {options.limit:.0f} s")
    if run is None:
        raise ProveError("The run did not end: see the dashboard's page.")
    with contextlib.suppress(KeyboardInterrupt):
        save_reports(dashboard, run_id, options, log)
    line = run.get("line") or f"{options.demo} {run['verdict'].upper()} reason={run.get('reason')}"
    say(line)
    return run, interrupted


class Dashboard:
    """A client of the dashboard's HTTP API."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        # The environment's proxy is not for this machine's own addresses.
        direct = [ProxyHandler({})] if _is_loopback(url) else []
        self._opener = build_opener(NoRedirects, *direct)

    def start(self, demo: str, options: Json) -> str:
        """Start a run and return its id."""
        until = time.monotonic() + LEAVING_SECONDS
        while True:
            try:
                answer = self._json("POST", "/api/runs", {"demo": demo, "options": options})
                return str(answer.get("id", "")) or self._reject()
            except DashboardUnavailable as error:
                raise ProveError(f"{error} Is the address right, and is the dashboard running?") from None
            except DashboardRefused as error:
                if error.status != 409 or time.monotonic() > until:
                    raise
                time.sleep(LEAVING_SECONDS / 4)

    def demos(self) -> list[Json]:
        """Return the demos, as GET /api/demos lists them."""
        demos: list[Json] = self._json("GET", "/api/demos", kind=list)
        is_list = all(isinstance(demo, dict) and {"id", "options", "evidence"} <= demo.keys() for demo in demos)
        if not demos or not is_list:
            self._reject()
        return demos

    def versions(self) -> dict[str, str]:
        """Return the deployment's names and versions, those that are known."""
        state = self._json("GET", "/api/state")
        about, mongo = state.get("about") or {}, state.get("mongo") or {}
        found = {
            "cluster": about.get("cluster"), "namespace": about.get("namespace"),
            "kubernetes": about.get("kubernetes_version"), "mongodb": mongo.get("version"),
        }  # fmt: skip
        return {name: plain(str(value)) for name, value in found.items() if value}

    def run(self, run_id: str) -> Json:
        run: Json = self._json("GET", f"/api/runs/{run_id}")
        if run.get("verdict") not in ("running", *STATUSES):
            self._reject()
        return run

    def abort(self, run_id: str) -> None:
        self.ask("DELETE", f"/api/runs/{run_id}")

    def part(self, run_id: str, part: str) -> bytes:
        """Return a run's "report", "report.html" or "evidence"."""
        return self.ask("GET", f"/api/runs/{run_id}/{part}")

    def ask(self, method: str, path: str, body: Json | None = None) -> bytes:
        """Send a request and return the answer's body. Raise `ProveError` for anything but success."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json, text/html"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = Request(self._url + path, data, headers, method=method)  # noqa: S310 - http or https, see _address
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                whole: bytes = answer.read(LARGEST_ANSWER)
                return whole
        except HTTPError as error:
            with error:
                raise self._error_of(error) from None
        except (URLError, OSError, http.client.HTTPException) as error:
            raise DashboardUnavailable(f"{self._url} does not answer: {_cause(error)}.") from None

    def _json(self, method: str, path: str, body: Json | None = None, kind: type = dict) -> Any:
        try:
            answer = json.loads(self.ask(method, path, body))
        except ValueError:
            answer = None
        return answer if isinstance(answer, kind) else self._reject()

    def _error_of(self, error: HTTPError) -> ProveError:
        """Return an error with the dashboard's own detail and a hint."""
        try:
            problem = json.loads(error.read(LARGEST_ANSWER))
            detail = plain(str(problem["detail"]))
        except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
            detail = f"{self._url} answers with status {error.code}."
        if error.code in (429, 502, 503, 504):
            return DashboardUnavailable(detail)
        return DashboardRefused(" ".join(filter(None, (detail, HINTS.get(error.code)))), error.code)

    def _reject(self) -> Any:
        raise DashboardRefused(f"The server at {self._url} is not the dashboard: give its address with --url.")


HINTS = {
    401: "Give the operator's token as PROVE_TOKEN: it is the part after the # of the login link.",
    403: "Give the operator's token as PROVE_TOKEN, not the viewer's.",
    409: "Wait until it has ended, or stop it on the dashboard's page, and try again.",
}


class NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, which would send the token to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Progress:
    """Logs a run's new timeline entries, and the current step's progress after QUIET_SECONDS without one."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._logged: set[tuple[str, str, str]] = set()
        self._logged_at = time.monotonic()

    def update(self, run: Json) -> None:
        steps = run.get("steps", [])
        titles = [step["title"] for step in steps]
        for entry in run.get("timeline", []):
            key = (entry["at"], entry["step"], entry["text"])
            if key not in self._logged:
                self._logged.add(key)
                self._log(entry["text"] if entry["text"] in titles else f"  {entry['text']}")
        if time.monotonic() - self._logged_at > QUIET_SECONDS:
            for step in steps:
                if step["state"] == "running" and step["text"]:
                    self._log(f"  {step['text']}")

    def _log(self, text: str) -> None:
        self.log(plain(text))
        self._logged_at = time.monotonic()


def follow(dashboard: Dashboard, run_id: str, progress: Progress, limit: float, every: float) -> Json | None:
    """Return the ended run, or None if it has not ended within `limit` seconds. The dashboard may be unavailable for
    AWAY_SECONDS, or not know the run: one that has just started has not read the history yet."""
    until = time.monotonic() + limit
    answered = time.monotonic()
    away = False
    while time.monotonic() < until:
        try:
            run = dashboard.run(run_id)
        except (DashboardUnavailable, DashboardRefused) as error:
            if isinstance(error, DashboardRefused) and error.status != NOT_FOUND:
                raise
            if time.monotonic() - answered > AWAY_SECONDS:
                raise ProveError(f"{error} The run may still be under way: see the dashboard's page.") from None
            if not away:
                progress.log(f"{error} Retrying for {AWAY_SECONDS:.0f} s.")
            away = True
        else:
            answered, away = time.monotonic(), False
            progress.update(run)
            if run["verdict"] != "running":
                return run
        time.sleep(every)
    return None


def save_reports(dashboard: Dashboard, run_id: str, options: argparse.Namespace, log: Log) -> None:
    """Write both reports and the evidence file. A failure does not change the verdict."""
    stem = Path(options.reports) / f"{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}-{options.demo}"
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for part, extension in (("report", "json"), ("report.html", "html"), ("evidence", "evidence.jsonl.gz")):
            path = stem.with_name(f"{stem.name}.{extension}")
            path.write_bytes(dashboard.part(run_id, part))
            log(f"{part.removesuffix('.html')} {path}")
    except (ProveError, OSError) as error:
        log(f"A report could not be saved: {error}")


def _write(outcomes: list[Outcome], options: argparse.Namespace, log: Log) -> None:
    """Write the JUnit file with all outcomes, and append the last one's summary. A failure does not change the verdict.

    Both are in UTF-8, whatever the terminal's encoding is.
    """
    try:
        if options.junit:
            path = Path(options.junit)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(junit(outcomes, options.url))
        if options.summary:
            path = Path(options.summary)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(markdown(outcomes[-1], options.url))
    except Exception as error:  # of any kind: the verdict stands
        log(f"The results could not be written: {type(error).__name__}: {error}")


def junit(outcomes: list[Outcome], url: str) -> bytes:
    """Return the outcomes as JUnit XML: a test suite for each demo, a test case for its verdict and for each claim.

    An INCONCLUSIVE verdict is an `error`, which JUnit has for a test that could not be carried out. As `skipped`,
    GitHub's reporters, GitLab and Jenkins would all show a green run although nothing was proved. The single claims of
    such a run are `skipped`: the one error says why, and more of them would only count the same reason again.
    """
    root = ElementTree.Element("testsuites", name="prove")
    root.extend(_suite(outcome, url) for outcome in outcomes)
    for name in COUNTED.values():
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in root)))
    root.set("tests", str(len(root.findall("*/testcase"))))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}  # JUnit's elements and their totals


def _suite(outcome: Outcome, url: str) -> ElementTree.Element:
    run, id_ = outcome.run or {}, plain(str(outcome.demo["id"]))
    suite = ElementTree.Element("testsuite", name=id_, time=f"{_seconds(run):.3f}")
    if run.get("started"):
        suite.set("timestamp", plain(str(run["started"])[:19]))
    properties = ElementTree.SubElement(suite, "properties")
    options = {f"option.{name}": value for name, value in (run.get("options") or {}).items()}
    known = {"run": run.get("id"), "dashboard": url, **options, **outcome.versions, "python": platform.python_version()}
    for name, value in known.items():
        ElementTree.SubElement(properties, "property", name=plain(name), value=plain(str(value or "")))
    figures = {name: f"{words}: {value}" for name, (words, value) in _figures(outcome).items()}
    element = {"fail": "failure", "inconclusive": "error"}.get(outcome.verdict)
    suite.append(_case(id_, "verdict", element, outcome.reason, "\n".join(figures.values()), _seconds(run)))
    for check in _checks(outcome):
        element = {"fail": "failure", "inconclusive": "skipped"}.get(check["verdict"])
        reason, figure = plain(check["reason"] or ""), figures.get(check["name"], "")
        suite.append(_case(id_, plain(check["claim"]), element, reason, figure))
    suite.set("tests", str(len(suite.findall("testcase"))))
    for name, total in COUNTED.items():
        suite.set(total, str(len(suite.findall(f"testcase/{name}"))))
    ElementTree.SubElement(suite, "system-out").text = plain(str(run.get("line") or outcome.problem))
    return suite


def _case(
    suite: str, name: str, element: str | None, reason: str, figures: str, seconds: float = 0.0
) -> ElementTree.Element:
    """Return a test case: passed, or with an element that has the reason and the figures."""
    case = ElementTree.Element("testcase", classname=suite, name=name, time=f"{seconds:.3f}")
    if element:
        inner = ElementTree.SubElement(case, element, message=reason)
        if element != "skipped":
            inner.set("type", "FAIL" if element == "failure" else "INCONCLUSIVE")
        inner.text = f"{reason}\n{figures}".strip()
    elif figures:
        ElementTree.SubElement(case, "system-out").text = figures
    return case


def markdown(outcome: Outcome, url: str) -> str:
    """Return the outcome as Markdown: the verdict, each claim, the other figures, and where the report is."""
    demo, run = outcome.demo, outcome.run or {}
    figures = _figures(outcome)
    rows = [
        (check["claim"], check["verdict"].upper(), figures.pop(check["name"], ("", ""))[1])
        for check in _checks(outcome)
    ]
    parts = [
        f"### {_escape(demo.get('title') or demo['id'])}: {outcome.verdict.upper()}",
        _escape(demo.get("claim", "")),
        _escape(outcome.reason),
        _table(("claim", "verdict", "figure"), rows),
        _table(("figure", "value"), list(figures.values())),
        f"    {plain(str(run.get('line') or ''))}",
        f"[Report](<{url}/api/runs/{run['id']}/report.html>), after a login" if run else "",
    ]
    return "\n\n".join(part for part in parts if part.strip()) + "\n\n"


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ["---"] * len(head), *([_escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _escape(text: object) -> str:
    """Return the text for Markdown, also within a table: no markup, no pipe, no line break."""
    text = re.sub(r"([\\`*_{}\[\]~#$@])", r"\\\1", plain(str(text)))
    return html.escape(text, quote=False).replace("|", "&#124;")


def _checks(outcome: Outcome) -> list[Json]:
    checks: list[Json] = (outcome.run or {}).get("checks") or []
    return checks


def _figures(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """Return (label, value with its unit) of each figure in the evidence, by its field; no list, nothing unknown."""
    evidence = (outcome.run or {}).get("evidence") or {}
    fields = {field["name"]: field for field in outcome.demo.get("evidence", [])}
    found = {}
    for name, value in evidence.items():
        field = fields.get(name, {"words": name, "unit": ""})
        if text := _value(value, field["unit"]):
            found[name] = (plain(field["words"]), plain(text))
    return found


def _value(value: object, unit: str) -> str:
    if isinstance(value, dict) and {"before", "after"} <= value.keys():
        return f"{value['before'] or '-'} → {value['after'] or '-'}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    if value is None or isinstance(value, list):  # lists are in the report
        return ""
    return f"{value} {unit}".strip()


def _seconds(run: Json) -> float:
    """Return how long the run took, 0 if that is unknown."""
    try:
        began, end = (datetime.fromisoformat(str(run[key]).replace("Z", "+00:00")) for key in ("started", "ended"))
        return max(0.0, (end - began).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0


def _abort(dashboard: Dashboard, run_id: str, progress: Progress, every: float, why: str) -> Json | None:
    progress.log(f"{why}: aborting the run")
    dashboard.abort(run_id)
    return follow(dashboard, run_id, progress, ABORT_SECONDS, every)


def _timed_log() -> Log:
    began = time.monotonic()
    return lambda text: say(f"{time.monotonic() - began:6.1f} s  {text}", "stderr")


def say(text: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
    """Print lines. Where nobody reads them any more, or the disk is full, they are left out: that changes neither the
    run nor its verdict."""
    file = getattr(sys, stream)
    try:
        print("\n".join(map(plain, text.split("\n"))), file=file, flush=True)
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # else Python tries it again at its end, and exits with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def spell_out() -> None:
    """Let stdout and stderr spell out what their encoding lacks: that must not change the exit status."""
    codecs.register_error("spell", _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spell")


def plain(text: str) -> str:
    """Remove control characters, which a terminal would interpret."""
    return "".join(character if character.isprintable() else " " for character in text)


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Spell out the characters that an encoding lacks, as an error handler of codecs: nothing is lost."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(SPELLED.get(each) or ascii(each)[1:-1] for each in lacking), error.end


def _printed(error: ProveError) -> str:
    say(str(error), "stderr")
    return str(error)


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return plain(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.prove",
        usage="%(prog)s DEMO|all [--OPTION VALUE …] [--url URL] [--token TOKEN] [--limit SECONDS]"
        " [--reports DIRECTORY] [--junit FILE] [--summary FILE]"
        " [--target FILE --namespace NAME --service URL [--database HOST:PORT] [--kubeconfig FILE]"
        " [--secrets DIRECTORY]]",
        description="Runs a demo and ends with its verdict. A demo's own options are given by name: --mode crash.",
        allow_abbrev=False,
    )
    parser.add_argument("demo", help="one of those that GET /api/demos lists: persistence, autoscale …; or all")
    parser.add_argument("--url", type=_address, help=f"the dashboard's address or login link, {URL} if it is not given")
    parser.add_argument(
        "--token", default=os.environ.get("PROVE_TOKEN", ""), help="the operator's; better as PROVE_TOKEN"
    )
    parser.add_argument("--limit", type=_seconds_of, default=6000.0, help="seconds after which the run is aborted")
    parser.add_argument("--every", type=_seconds_of, default=1.0, help="seconds between two requests for the run")
    parser.add_argument("--reports", default="reports", help="the directory for the reports and the evidence file")
    parser.add_argument("--junit", help="a file to write with each claim's verdict, as JUnit XML")
    parser.add_argument("--summary", help="a file to append a summary to, in Markdown: $GITHUB_STEP_SUMMARY")
    outside = parser.add_argument_group("without an installed dashboard, with the caller's own rights")
    outside.add_argument("--target", help="the file of the application to prove (docs/your-app.md)")
    outside.add_argument("--namespace", help="its namespace")
    outside.add_argument("--service", type=_address, help="the address by which its service is reached from here")
    outside.add_argument("--database", default="", help="the same of its database, HOST:PORT; else that is not read")
    usual = os.environ.get("KUBECONFIG") or os.path.join(os.environ.get("HOME", ""), ".kube", "config")
    outside.add_argument("--kubeconfig", default=usual.split(os.pathsep)[0])
    outside.add_argument("--secrets", default="", help="a directory with a file for each secret of the target")
    options, more = parser.parse_known_args(arguments)
    options.given = _given(parser, more)
    if options.target:
        if not options.namespace or not options.service:
            parser.error("--target needs --namespace and --service")
        if options.url:
            parser.error("--url is of an installed dashboard, and --target makes one here: give one of them")
        options.service = options.service.rstrip("#")
        return options
    if options.service or options.database or options.secrets or options.namespace:
        parser.error("--namespace, --service, --database and --secrets are for --target")
    address, _, token = (options.url or URL).partition("#")
    options.url, options.token = address, options.token or token
    if not options.token:
        parser.error("there is no token: give the operator's as PROVE_TOKEN")
    if not options.token.isascii() or not options.token.isprintable():
        parser.error("the token has invalid characters")
    return options


def _given(parser: argparse.ArgumentParser, words: list[str]) -> Json:
    """Parse the demo's own options: --mode crash, --rate=80. The dashboard checks their names and values."""
    given: Json = {}
    left = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while left:
        name = left.pop(0)
        if not name.startswith("--") or len(name) < 3 or not left or left[0].startswith("--"):
            parser.error(f"give a demo's options as --name value instead of {name!r}")
        given[name[2:]] = _number_or_text(left.pop(0))
    return given


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _seconds_of(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError("give seconds, more than 0")
    return seconds


def _address(text: str) -> str:
    """Return the dashboard's base URL, with a login link's token after a #."""
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and text.isprintable()
    except ValueError:  # of the host or the port
        is_address = False
    if not is_address or " " in text:
        raise argparse.ArgumentTypeError("an address is such as http://127.0.0.1:8080")
    base = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/login').rstrip('/')}"
    return f"{base}#{parts.fragment}"


if __name__ == "__main__":
    sys.exit(main())
