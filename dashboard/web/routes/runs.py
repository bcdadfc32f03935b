"""Demos and their runs over HTTP. The routes check a request; the run manager does it.

Every request that changes something leaves an audit line, also if it is refused.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, abort, current_app, g

from dashboard.config import DashboardConfig
from dashboard.core.errors import ExternalError
from dashboard.runs.demos.records import reader
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.replay import Replay, replayed
from dashboard.runs.evidence.store import Unkept
from dashboard.runs.manager import RunManager
from dashboard.runs.records.archive import UnknownRun
from dashboard.runs.verdict import RUNNING
from dashboard.web.audit import SHOWN, note_change, shown
from dashboard.web.auth import require, who
from dashboard.web.hub import Hub
from dashboard.web.lookups import lookups
from dashboard.web.problems import problem
from dashboard.web.report.report import Report, file_name
from dashboard.web.request_body import members
from dashboard.web.run_problems import run_problems

Json = dict[str, Any]

REPLAY_WAIT_SECONDS = 10.0

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,62}")

log = logging.getLogger(__name__)

runs = Blueprint("runs", __name__, url_prefix="/api")
runs.after_request(note_change)


@runs.get("/demos")
@require("viewer")
def demos() -> Response:
    """The demos: [{id, title, claim, takes, sentence, steps, options, evidence, comparison, by_hand}]."""
    return _answer(demos_of(current_app.config["DASHBOARD"], _manager()))


@runs.post("/runs")
@require("operator")
def start() -> Response:
    """Start a demo: {"demo", "options"?}."""
    body = members(("demo", "options"))
    demo, options = body.get("demo"), body.get("options", {})
    g.action = f"run {shown(demo)} {shown(options)}"
    if not isinstance(demo, str) or not isinstance(options, dict):
        abort(422, 'The body must be {"demo": "<name>", "options": {…}}; the options are optional.')
    with run_problems():
        run_id = _manager().start(demo, options, who())
    return _answer({"id": run_id}, 202, Location=f"runs/{run_id}")


@runs.get("/runs")
@require("viewer")
def summaries() -> Response:
    """The runs, newest first."""
    return _answer(_manager().list())


@runs.get("/runs/<run_id>")
@require("viewer")
def run(run_id: str) -> Response:
    """One run."""
    return _answer(_run(run_id))


@runs.delete("/runs/<run_id>")
@require("operator")
def abort_run(run_id: str) -> Response:
    """Abort a run; do nothing if it has ended."""
    g.action = f"abort {run_id[:SHOWN]}"
    with run_problems():
        _manager().abort(_checked(run_id), who())
    return _answer({"id": run_id}, 202)


@runs.get("/runs/<run_id>/report")
@require("viewer")
def report(run_id: str) -> Response:
    """The report of an ended run as a JSON file."""
    made = _report(run_id)
    return _answer(made.as_json(), Content_Disposition=f'attachment; filename="{made.name}.json"')


@runs.get("/runs/<run_id>/report.html")
@require("viewer")
def page(run_id: str) -> Response:
    """The report as a self-contained HTML page."""
    made = _report(run_id)
    response = Response(made.as_html(), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = made.policy
    response.headers["Content-Disposition"] = f'inline; filename="{made.name}.html"'
    return response


@runs.get("/runs/<run_id>/evidence")
@require("viewer")
def evidence(run_id: str) -> Response:
    """The evidence file of an ended run: all that its verdict follows from."""
    with lookups().one(), run_problems():
        run, file = _manager().get(_checked(run_id)), _manager().evidence(run_id)
    response = Response(file, content_type="application/gzip")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name(run)}.evidence.jsonl.gz"'
    return response


def _run(run_id: str) -> Json:
    with run_problems():
        return _manager().get(_checked(run_id))


def _report(run_id: str) -> Report:
    found = _run(run_id)
    if found["verdict"] == RUNNING:
        abort(409, "The run has no verdict yet, so there is no report.")
    config: DashboardConfig = current_app.config["DASHBOARD"]
    if replay := _replay(found):
        return Report(found, replay.tables(), config.namespace, config.cluster_name, replay.target())
    hub: Hub = current_app.extensions["hub"]
    tables = orjson.loads(hub.history(0.0))["tables"]  # all: a number of pods holds until it changes
    target = (orjson.loads(hub.state())["autoscaler"] or {}).get("target_of_requests")
    return Report(found, tables, config.namespace, config.cluster_name, target)


def _replay(run: Json) -> Replay | None:
    """Return what the run's evidence file has for the charts, or None: then the dashboard's memory may have it."""
    if not run.get("evidence_file"):
        return None
    try:
        with lookups().one(), _one_replay():
            return replayed(reader([_manager().evidence(run["id"])]))
    except (Unkept, Unreadable, ExternalError) as error:
        log.info("the charts of run %s are made from memory: %s", run["id"], error)
        return None


@contextlib.contextmanager
def _one_replay() -> Iterator[None]:
    """Wait until no other request replays a file: a line of one may need twenty times its size of memory."""
    replaying: threading.Lock = current_app.extensions["replaying"]
    if not replaying.acquire(timeout=REPLAY_WAIT_SECONDS):
        abort(problem(503, "Other reports are being made.", Retry_After="5"))
    try:
        yield
    finally:
        replaying.release()


def _checked(run_id: str) -> str:
    if not _ID.fullmatch(run_id):
        raise UnknownRun
    return run_id


def _answer(body: Json | list[Json] | Mapping[str, object], status: int = 200, **headers: str) -> Response:
    response = Response(orjson.dumps(body), status, content_type="application/json")
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def demos_of(config: DashboardConfig, manager: RunManager) -> list[Json]:
    """Return the demos as JSON, with this deployment's names in their commands."""
    names = {
        "namespace": config.namespace,
        "deployment": config.deployment,
        "database": f"{config.statefulset}-0",
        "service": config.service_address,
    }
    return [demo.to_json(names) for demo in manager.demos.values()]


def _manager() -> RunManager:
    manager: RunManager = current_app.extensions["manager"]
    return manager
