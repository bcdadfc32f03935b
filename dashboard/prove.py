"""Runs a demo on a dashboard, from a shell or CI, and ends with its verdict.

    PROVE_TOKEN=… python -m dashboard.prove persistence --mode crash --url http://127.0.0.1:8080

Progress goes to stderr, the verdict's one line to stdout, the report to reports/. Exit status: 0 PASS, 1 FAIL, 2 for
INCONCLUSIVE and for whatever kept it from a verdict. It needs nothing but Python's own library: this file runs alone
as well. The token is better given as PROVE_TOKEN, which no list of processes shows.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
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
AWAY_SECONDS = 90.0  # a dashboard that is replaced meanwhile is back long before
LEAVING_SECONDS = 4.0  # that a run which has its verdict may keep the next one from starting
QUIET_SECONDS = 10.0  # without news, and it is said how the step does
ABORT_SECONDS = 60.0  # for an aborted run to put everything back
LARGEST_ANSWER = 8 << 20  # bytes

Json = dict[str, Any]
Say = Callable[[str], None]


class ProveError(Exception):
    """Why there is no verdict, and what to do, in a sentence or two.

    ProveError
    ├── DashboardUnavailable      no answer, or one that broke off: asked again, it may answer
    └── DashboardRefused   an answer, and not the one that was asked for
    """


class DashboardUnavailable(ProveError):
    pass


class DashboardRefused(ProveError):
    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # CI that cancels is as good as Ctrl-C
    try:
        return prove(_parse(arguments))
    except ProveError as trouble:
        print(trouble, file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted. Whether a run goes on is on the dashboard's page.", file=sys.stderr)
    return 2


def prove(options: argparse.Namespace) -> int:
    """Starts the demo, follows it to its end and keeps its report."""
    say = _timed()
    dashboard = Dashboard(options.url, options.token)
    run_id = dashboard.start(options.demo, options.given)
    say(f"{options.demo} runs as {run_id}")
    progress = Progress(say)
    try:
        run = follow(dashboard, run_id, progress, options.limit, options.every)
    except KeyboardInterrupt:
        run = _abort(dashboard, run_id, progress, options.every, "interrupted")
    if run is None:
        run = _abort(dashboard, run_id, progress, options.every, f"not over after {options.limit:.0f} s")
    if run is None:
        raise ProveError("The run does not end: see the dashboard's page.")
    with contextlib.suppress(KeyboardInterrupt):
        keep(dashboard, run_id, options, say)
    print(_plain(run.get("line") or f"{options.demo} {run['verdict'].upper()} reason={run.get('reason')}"), flush=True)
    return STATUSES[run["verdict"]]


class Dashboard:
    """The dashboard's HTTP API."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        # A proxy that the environment names is for the way out, not for this machine's own addresses.
        direct = [ProxyHandler({})] if _is_loopback(url) else []
        self._opener = build_opener(Stay, *direct)

    def start(self, demo: str, options: Json) -> str:
        """The new run's id."""
        until = time.monotonic() + LEAVING_SECONDS
        while True:
            try:
                answer = self._json("POST", "/api/runs", {"demo": demo, "options": options})
                return str(answer.get("id", "")) or self._stranger()
            except DashboardUnavailable as away:
                raise ProveError(f"{away} Is it the right address, and does the dashboard run?") from None
            except DashboardRefused as refused:
                if refused.status != 409 or time.monotonic() > until:
                    raise
                time.sleep(LEAVING_SECONDS / 4)

    def run(self, run_id: str) -> Json:
        run = self._json("GET", f"/api/runs/{run_id}")
        if run.get("verdict") not in ("running", *STATUSES):
            self._stranger()
        return run

    def abort(self, run_id: str) -> None:
        self.ask("DELETE", f"/api/runs/{run_id}")

    def report(self, run_id: str, suffix: str) -> bytes:
        return self.ask("GET", f"/api/runs/{run_id}/report{suffix}")

    def ask(self, method: str, path: str, body: Json | None = None) -> bytes:
        """The answer's body; a ProveError for anything but success."""
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
                raise self._trouble(error) from None
        except (URLError, OSError, http.client.HTTPException) as error:
            raise DashboardUnavailable(f"{self._url} does not answer: {_cause(error)}.") from None

    def _json(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            answer = json.loads(self.ask(method, path, body))
        except ValueError:
            answer = None
        return answer if isinstance(answer, dict) else self._stranger()

    def _trouble(self, error: HTTPError) -> ProveError:
        """The dashboard's own words, and what to do about them."""
        try:
            problem = json.loads(error.read(LARGEST_ANSWER))
            words = _plain(str(problem["detail"]))
        except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
            words = f"{self._url} answers with status {error.code}."
        if error.code in (429, 502, 503, 504):
            return DashboardUnavailable(words)
        return DashboardRefused(" ".join(filter(None, (words, HINTS.get(error.code)))), error.code)

    def _stranger(self) -> Any:
        raise DashboardRefused(f"What answers at {self._url} is not the dashboard: give its address with --url.")


HINTS = {
    401: "Give the operator's token as PROVE_TOKEN: it is what follows the # of the login link.",
    403: "Give the operator's token as PROVE_TOKEN, not the viewer's.",
    409: "Wait until that is over, or stop it on the dashboard's page, and try again.",
}


class Stay(HTTPRedirectHandler):
    """Goes nowhere else: a redirect would take the token along."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Progress:
    """Says what is new in a run each time that it is shown; and where nothing is for a while, how its step does."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self._told: set[tuple[str, str, str]] = set()
        self._said = time.monotonic()

    def tell(self, run: Json) -> None:
        steps = run.get("steps", [])
        titles = [step["title"] for step in steps]
        for entry in run.get("timeline", []):
            key = (entry["at"], entry["step"], entry["text"])
            if key not in self._told:
                self._told.add(key)
                self._say(entry["text"] if entry["text"] in titles else f"  {entry['text']}")
        if time.monotonic() - self._said > QUIET_SECONDS:
            for step in steps:
                if step["state"] == "running" and step["text"]:
                    self._say(f"  {step['text']}")

    def _say(self, text: str) -> None:
        self.say(_plain(text))
        self._said = time.monotonic()


def follow(dashboard: Dashboard, run_id: str, progress: Progress, limit: float, every: float) -> Json | None:
    """The run as it ended, or None if it has not within `limit` seconds. The dashboard may be away for a while."""
    until = time.monotonic() + limit
    heard = time.monotonic()
    lost = False
    while time.monotonic() < until:
        try:
            run = dashboard.run(run_id)
        except DashboardUnavailable as away:
            if time.monotonic() - heard > AWAY_SECONDS:
                raise ProveError(f"{away} The run may go on without a witness: see the dashboard's page.") from None
            if not lost:
                progress.say(f"{away} Asking on for {AWAY_SECONDS:.0f} s.")
            lost = True
        else:
            heard, lost = time.monotonic(), False
            progress.tell(run)
            if run["verdict"] != "running":
                return run
        time.sleep(every)
    return None


def keep(dashboard: Dashboard, run_id: str, options: argparse.Namespace, say: Say) -> None:
    """Writes both reports. The verdict stands without them, too."""
    stem = Path(options.reports) / f"{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}-{options.demo}"
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for suffix, extension in (("", "json"), (".html", "html")):
            path = stem.with_name(f"{stem.name}.{extension}")
            path.write_bytes(dashboard.report(run_id, suffix))
            say(f"report {path}")
    except (ProveError, OSError) as error:
        say(f"The report could not be kept: {error}")


def _abort(dashboard: Dashboard, run_id: str, progress: Progress, every: float, why: str) -> Json | None:
    progress.say(f"{why}: aborting the run")
    dashboard.abort(run_id)
    return follow(dashboard, run_id, progress, ABORT_SECONDS, every)


def _timed() -> Say:
    began = time.monotonic()
    return lambda text: print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)


def _plain(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


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
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks at the run")
    parser.add_argument("--reports", default="reports", help="the directory for both reports")
    options, more = parser.parse_known_args(arguments)
    options.given = _given(parser, more)
    address, _, token = options.url.partition("#")
    options.url, options.token = address, options.token or token
    if not options.token:
        parser.error("there is no token: give the operator's as PROVE_TOKEN")
    if not options.token.isascii() or not options.token.isprintable():
        parser.error("the token is none: it has characters that no token has")
    return options


def _given(parser: argparse.ArgumentParser, words: list[str]) -> Json:
    """The demo's own options: --mode crash, --rate=80. Which there are and what they may be, the dashboard knows."""
    given: Json = {}
    left = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while left:
        name = left.pop(0)
        if not name.startswith("--") or len(name) < 3 or not left or left[0].startswith("--"):
            parser.error(f"a demo's options are given as --name value, and not as {name!r}")
        given[name[2:]] = _number_or_text(left.pop(0))
    return given


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _address(text: str) -> str:
    """The dashboard's base, with a login link's token after a #."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError("an address begins with http:// or https://")
    base = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/login').rstrip('/')}"
    return f"{base}#{parts.fragment}"


if __name__ == "__main__":
    sys.exit(main())
