"""Runs, load and restart over HTTP: what is asked is checked here, and done by the manager.

Every request that would change something leaves an audit line, most of all the refused ones.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, abort, current_app, g, request

from dashboard.config import Config
from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.kube.lease import LeaseHeld
from dashboard.load.options import LoadBusy, LoadOptions
from dashboard.runs.archive import UnknownRun
from dashboard.runs.audit import Audit
from dashboard.runs.manager import RunManager
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.report import Report
from dashboard.runs.turn import RunActive
from dashboard.runs.verdict import RUNNING
from dashboard.web.auth import SAFE_METHODS, require, who
from dashboard.web.hub import Hub
from dashboard.web.problems import problem
from dashboard.web.request_body import members

ACTIONS = {  # of a request that says no more
    "runs.start": "run a demo",
    "runs.abort": "abort a run",
    "runs.load": "start a load",
    "runs.unload": "stop the load",
    "runs.restart": "restart MongoDB",
}
SHOWN = 80  # characters of what somebody sent, in the audit's words

Json = dict[str, Any]

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,62}")

runs = Blueprint("runs", __name__, url_prefix="/api")


@runs.get("/demos")
@require("viewer")
def demos() -> Response:
    """What can be run: [{id, title, claim, takes, sentence, steps, options, evidence, comparison, by_hand}]."""
    return _answer(demos_of(current_app.config["DASHBOARD"], _manager()))


@runs.post("/runs")
@require("operator")
def start() -> Response:
    """Starts a demo: {"demo", "options"?}."""
    asked = members(("demo", "options"))
    demo, options = asked.get("demo"), asked.get("options", {})
    g.action = f"run {_shown(demo)} {_shown(options)}"
    if not isinstance(demo, str) or not isinstance(options, dict):
        abort(422, 'Give {"demo": "<name>", "options": {…}}, the options an object, which may be left out.')
    with _problems():
        run_id = _manager().start(demo, options, who())
    return _answer({"id": run_id}, 202, Location=f"/api/runs/{run_id}")


@runs.get("/runs")
@require("viewer")
def summaries() -> Response:
    """The runs, newest first."""
    return _answer(_manager().list())


@runs.get("/runs/<run_id>")
@require("viewer")
def run(run_id: str) -> Response:
    """One run, whole."""
    return _answer(_run(run_id))


@runs.delete("/runs/<run_id>")
@require("operator")
def abort_run(run_id: str) -> Response:
    """Aborts a run; of one that is over, nothing."""
    g.action = f"abort {run_id[:SHOWN]}"
    with _problems():
        _manager().abort(_checked(run_id), who())
    return _answer({"id": run_id}, 202)


@runs.get("/runs/<run_id>/report")
@require("viewer")
def report(run_id: str) -> Response:
    """All that is known of a run that is over, as a JSON file."""
    made = _report(run_id)
    return _answer(made.as_json(), Content_Disposition=f'attachment; filename="{made.name}.json"')


@runs.get("/runs/<run_id>/report.html")
@require("viewer")
def page(run_id: str) -> Response:
    """The same as a page that needs nothing else: it may be kept, sent and printed."""
    made = _report(run_id)
    response = Response(made.as_html(), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = made.policy
    response.headers["Content-Disposition"] = f'inline; filename="{made.name}.html"'
    return response


@runs.put("/load")
@require("operator")
def load() -> Response:
    """Starts a load, as LoadOptions says: {"rate", "duration", …}."""
    asked = members(LoadOptions.__struct_fields__)
    g.action = f"load {_shown(asked)}"
    with _problems():
        _manager().load(LoadOptions.read(asked), who())
    return _answer(asked, 202)


@runs.delete("/load")
@require("operator")
def unload() -> Response:
    """Stops the load that was started here; if there is none, nothing."""
    with _problems():
        _manager().unload(who())
    return _answer({}, 202)


@runs.post("/mongo/restart")
@require("operator")
def restart() -> Response:
    """Restarts MongoDB: {"uid", "mode": "graceful" | "crash"}. The uid makes sure that it is the pod that was meant."""
    asked = members(("uid", "mode"))
    uid, mode = asked.get("uid"), asked.get("mode")
    g.action = f"restart MongoDB, {_shown(mode)}, of the pod {_shown(uid)}"
    if not isinstance(uid, str) or not uid or not isinstance(mode, str):
        abort(422, 'Give {"uid": "<the pod\'s uid>", "mode": "graceful"} or "crash".')
    with _problems():
        _manager().restart_mongo(uid, mode, who())
    return _answer({"uid": uid, "mode": mode}, 202)


@runs.get("/audit")
@require("viewer")
def audit() -> Response:
    """Who did what, newest first."""
    return _answer(_audit().newest())


@runs.after_request
def note(response: Response) -> Response:
    """What the manager has not noted itself."""
    if request.method not in SAFE_METHODS and not g.get("audited"):
        action = g.get("action") or ACTIONS.get(request.endpoint or "", f"{request.method} {request.path}")
        note_down = _audit() if g.get("role") == "operator" else _audit().denied
        note_down(who(), action, _outcome(response))
    return response


def _outcome(response: Response) -> str:
    if response.status_code < 400:
        return "accepted"
    detail = (response.get_json(silent=True) or {}).get("detail", "")
    return f"{'refused' if response.status_code < 500 else 'failed'}: {response.status_code} {detail}"


@contextlib.contextmanager
def _problems() -> Iterator[None]:
    """What the manager refuses, as statuses."""
    try:
        yield
    except InvalidOption as error:
        abort(422, str(error))
    except UnknownRun:
        abort(404, "There is no such run, or it is forgotten: the newest are in /api/runs.")
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
        abort(409, "The run is not over: there is a report when it has its verdict.")
    hub: Hub = current_app.extensions["hub"]
    config: Config = current_app.config["DASHBOARD"]
    tables = orjson.loads(hub.history(0.0))["tables"]  # whole: figures of pods stand until they change
    target = (orjson.loads(hub.state())["autoscaler"] or {}).get("target_of_requests")
    return Report(found, tables, config.namespace, config.cluster_name, target)


def _checked(run_id: str) -> str:
    if not _ID.fullmatch(run_id):
        raise UnknownRun
    return run_id


def _shown(value: object) -> str:
    """What somebody sent, in a few words."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _answer(body: Json | list[Json] | Mapping[str, object], status: int = 200, **headers: str) -> Response:
    response = Response(orjson.dumps(body), status, content_type="application/json")
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def demos_of(config: Config, manager: RunManager) -> list[Json]:
    """The demos as JSON, with this deployment's names in their commands."""
    names = {"namespace": config.namespace, "database": f"{config.statefulset}-0"}
    return [demo.to_json(names) for demo in manager.demos.values()]


def _manager() -> RunManager:
    manager: RunManager = current_app.extensions["manager"]
    return manager


def _audit() -> Audit:
    audit: Audit = current_app.extensions["audit"]
    return audit
