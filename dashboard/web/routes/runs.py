"""Runs, loads and restarts over HTTP. The routes check a request; the run manager does it.

Every request that changes something leaves an audit line, also if it is refused.
"""

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, abort, current_app, g

from dashboard.config import DashboardConfig
from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.kube.lease import LeaseHeld
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.audit import AuditLog
from dashboard.runs.demos.records import reader
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.replay import Replay, replayed
from dashboard.runs.evidence.store import Unkept
from dashboard.runs.manager import RunManager
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.archive import UnknownRun
from dashboard.runs.records.report import Report, file_name
from dashboard.runs.turn import RunActive
from dashboard.runs.verdict import RUNNING
from dashboard.web.audit import note_change
from dashboard.web.auth import require, who
from dashboard.web.hub import Hub
from dashboard.web.lookups import lookups
from dashboard.web.problems import problem
from dashboard.web.request_body import members

SHOWN = 80  # characters of a request's value in the audit

Json = dict[str, Any]

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,62}")

log = logging.getLogger(__name__)

runs = Blueprint("runs", __name__, url_prefix="/api")


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
    g.action = f"run {_shown(demo)} {_shown(options)}"
    if not isinstance(demo, str) or not isinstance(options, dict):
        abort(422, 'The body must be {"demo": "<name>", "options": {…}}; the options are optional.')
    with _problems():
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
    with _problems():
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
    with lookups().one(), _problems():
        run, file = _manager().get(_checked(run_id)), _manager().evidence(run_id)
    response = Response(file, content_type="application/gzip")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name(run)}.evidence.jsonl.gz"'
    return response


@runs.put("/load")
@require("operator")
def load() -> Response:
    """Start a load: {"rate", "duration", …}, see LoadOptions."""
    body = members(LoadOptions.__struct_fields__)
    g.action = f"load {_shown(body)}"
    with _problems():
        _manager().load(LoadOptions.read(body), who())
    return _answer(body, 202)


@runs.delete("/load")
@require("operator")
def unload() -> Response:
    """Stop the load that was started here; do nothing if there is none."""
    with _problems():
        _manager().unload(who())
    return _answer({}, 202)


@runs.post("/mongo/restart")
@require("operator")
def restart() -> Response:
    """Restart MongoDB: {"uid", "mode": "graceful" | "crash"}. The uid ensures that it is the intended pod."""
    body = members(("uid", "mode"))
    uid, mode = body.get("uid"), body.get("mode")
    g.action = f"restart MongoDB, {_shown(mode)}, of the pod {_shown(uid)}"
    if not isinstance(uid, str) or not uid or not isinstance(mode, str):
        abort(422, 'The body must be {"uid": "<the pod\'s uid>", "mode": "graceful" or "crash"}.')
    with _problems():
        _manager().restart_mongo(uid, mode, who())
    return _answer({"uid": uid, "mode": mode}, 202)


@runs.get("/audit")
@require("viewer")
def audit() -> Response:
    """The audit log, newest first."""
    return _answer(_audit().newest())


@runs.after_request
def note(response: Response) -> Response:
    """Audit the requests that the manager has not audited itself."""
    return note_change(response)


@contextlib.contextmanager
def _problems() -> Iterator[None]:
    """Turn the manager's errors into problem responses."""
    try:
        yield
    except InvalidOption as error:
        abort(422, str(error))
    except UnknownRun:
        abort(404, "There is no such run. /api/runs lists the newest ones.")
    except Unkept as error:
        abort(404, str(error))
    except UidNotCurrent as error:
        abort(problem(409, str(error), {"uid": error.uid}))
    except (RunActive, LeaseHeld) as error:
        abort(problem(409, str(error), {"holder": error.holder, "run": error.run or None}))
    except LoadBusy as error:
        abort(problem(409, str(error), {"holder": error.by}))
    except ExternalError as error:
        abort(problem(502, str(error)))


def _run(run_id: str) -> Json:
    with _problems():
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
        with lookups().one():  # also while it computes
            return replayed(reader([_manager().evidence(run["id"])]))
    except (Unkept, Unreadable, ExternalError) as error:
        log.info("the charts of run %s are made from memory: %s", run["id"], error)
        return None


def _checked(run_id: str) -> str:
    if not _ID.fullmatch(run_id):
        raise UnknownRun
    return run_id


def _shown(value: object) -> str:
    """Shorten a request's value for the audit."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


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


def _audit() -> AuditLog:
    audit: AuditLog = current_app.extensions["audit"]
    return audit
