"""Runs a demo on a dashboard from a shell or CI, and exits with its verdict.

    PROVE_TOKEN=… python -m dashboard.prove persistence --mode crash --url http://127.0.0.1:8080

Progress goes to stderr, the verdict's line to stdout, the reports and the evidence file to reports/. Exit status: 0
PASS, 1 FAIL, 2 INCONCLUSIVE or no verdict. It needs the standard library only, so this file also runs alone. Give the
token as PROVE_TOKEN: the list of processes does not show it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

STATUSES = {"pass": 0, "fail": 1, "inconclusive": 2}

ANSWER_SECONDS = 10.0
AWAY_SECONDS = 90.0  # for a dashboard that is replaced meanwhile to be back
LEAVING_SECONDS = 4.0  # for the run before, which has its verdict, to release the lease
QUIET_SECONDS = 10.0  # without a new entry, after which the step's progress is printed
ABORT_SECONDS = 60.0  # for an aborted run to clean up
LARGEST_ANSWER = 16 << 20  # bytes

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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # CI cancels with SIGTERM; treat it like Ctrl-C
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a character that the terminal lacks must not change the exit status
    try:
        return prove(_parse(arguments))
    except ProveError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted. See the dashboard's page for whether a run is still under way.", file=sys.stderr)
    return 2


def prove(options: argparse.Namespace) -> int:
    """Start the demo, follow it to its end and save its report. Return the exit status."""
    log = _timed_log()
    dashboard = Dashboard(options.url, options.token)
    run_id = dashboard.start(options.demo, options.given)
    log(f"{options.demo} runs as {run_id}")
    progress = Progress(log)
    try:
        run = follow(dashboard, run_id, progress, options.limit, options.every)
    except KeyboardInterrupt:
        run = _abort(dashboard, run_id, progress, options.every, "interrupted")
    if run is None:
        run = _abort(dashboard, run_id, progress, options.every, f"not over after {options.limit:.0f} s")
    if run is None:
        raise ProveError("The run did not end: see the dashboard's page.")
    with contextlib.suppress(KeyboardInterrupt):
        save_reports(dashboard, run_id, options, log)
    line = run.get("line") or f"{options.demo} {run['verdict'].upper()} reason={run.get('reason')}"
    print(_with_arrows(_plain(line), sys.stdout.encoding or "ascii"), flush=True)
    return STATUSES[run["verdict"]]


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

    def run(self, run_id: str) -> Json:
        run = self._json("GET", f"/api/runs/{run_id}")
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

    def _json(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            answer = json.loads(self.ask(method, path, body))
        except ValueError:
            answer = None
        return answer if isinstance(answer, dict) else self._reject()

    def _error_of(self, error: HTTPError) -> ProveError:
        """Return an error with the dashboard's own detail and a hint."""
        try:
            problem = json.loads(error.read(LARGEST_ANSWER))
            detail = _plain(str(problem["detail"]))
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
        self.log(_plain(text))
        self._logged_at = time.monotonic()


def follow(dashboard: Dashboard, run_id: str, progress: Progress, limit: float, every: float) -> Json | None:
    """Return the ended run, or None if it has not ended within `limit` seconds. The dashboard may be unavailable for
    AWAY_SECONDS."""
    until = time.monotonic() + limit
    answered = time.monotonic()
    away = False
    while time.monotonic() < until:
        try:
            run = dashboard.run(run_id)
        except DashboardUnavailable as error:
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


def _abort(dashboard: Dashboard, run_id: str, progress: Progress, every: float, why: str) -> Json | None:
    progress.log(f"{why}: aborting the run")
    dashboard.abort(run_id)
    return follow(dashboard, run_id, progress, ABORT_SECONDS, every)


def _timed_log() -> Log:
    began = time.monotonic()
    return lambda text: print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)


def _plain(text: str) -> str:
    """Remove control characters, which a terminal would interpret."""
    return "".join(character if character.isprintable() else " " for character in text)


def _with_arrows(text: str, encoding: str) -> str:
    """Return the text with "->" for the arrow if the encoding lacks it."""
    try:
        "→".encode(encoding)
    except UnicodeEncodeError:
        return text.replace("→", "->")
    return text


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return _plain(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.prove",
        usage="%(prog)s DEMO [--OPTION VALUE …] [--url URL] [--token TOKEN] [--limit SECONDS] [--reports DIRECTORY]",
        description="Runs a demo and ends with its verdict. A demo's own options are given by name: --mode crash.",
        allow_abbrev=False,
    )
    parser.add_argument("demo", help="one of those that GET /api/demos lists: persistence, autoscale …")
    parser.add_argument(
        "--url", type=_address, default="http://127.0.0.1:8080", help="the dashboard's address or login link"
    )
    parser.add_argument(
        "--token", default=os.environ.get("PROVE_TOKEN", ""), help="the operator's; better as PROVE_TOKEN"
    )
    parser.add_argument("--limit", type=float, default=6000.0, help="seconds after which the run is aborted")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two requests for the run")
    parser.add_argument("--reports", default="reports", help="the directory for the reports and the evidence file")
    options, more = parser.parse_known_args(arguments)
    options.given = _given(parser, more)
    address, _, token = options.url.partition("#")
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


def _address(text: str) -> str:
    """Return the dashboard's base URL, with a login link's token after a #."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError("an address begins with http:// or https://")
    base = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/login').rstrip('/')}"
    return f"{base}#{parts.fragment}"


if __name__ == "__main__":
    sys.exit(main())
