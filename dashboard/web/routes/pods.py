"""A pod's details: what it is made of, its events, its logs, its YAML.

A pod is named by its uid and looked up in the state: no name in a request reaches the Kubernetes API unless the
dashboard knows it already.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import yaml
from flask import Blueprint, Response, abort, current_app, request
from msgspec import structs
from werkzeug.datastructures import MultiDict

from dashboard.kube.logs import LogReader, LogStreams, TooManyLogs
from dashboard.kube.pod_details import (
    ContainerWaiting,
    Json,
    LogRequest,
    PodNotFound,
    PodReader,
    PodReadError,
    PodReadForbidden,
    PodReadUnavailable,
    details,
    names,
)
from dashboard.web.auth import require
from dashboard.web.hub import Hub
from dashboard.web.problems import problem

LONGEST_TAIL = 2_000  # lines
AT_ONCE = 6  # requests that wait for the API server: if it hangs, the server's threads must not all hang with it
LONGEST_YAML = 512 << 10  # characters

STATUSES: dict[type[PodReadError], int] = {
    PodNotFound: 404,
    ContainerWaiting: 409,
    PodReadForbidden: 403,
    PodReadUnavailable: 502,
}

pods = Blueprint("pods", __name__, url_prefix="/api/pods")


class PodLookups:
    """The requests that wait for the API server, so many and no more."""

    def __init__(self, most: int = AT_ONCE) -> None:
        self._free = threading.BoundedSemaphore(most)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        if not self._free.acquire(blocking=False):
            abort(problem(503, "The API server is slow, and enough requests wait for it.", Retry_After="2"))
        try:
            yield
        finally:
            self._free.release()


@pods.get("/<uid>")
@require("viewer")
def pod(uid: str) -> Response:
    """The pod: see kube/pod_details.details; and `yaml`."""
    _parameters()
    view, inspector = _known(uid), _inspector()
    with _looks().one(), _problems():
        found = inspector.pod(view)
        events = inspector.events(view)
    shown = details(found, events) | {"yaml": as_yaml(found)}
    return Response(orjson.dumps(shown), content_type="application/json")


@pods.get("/<uid>/log")
@require("viewer")
def log(uid: str) -> Response:
    """A container's log as text, a line a line: ?container=&previous=&tail=&follow=&timestamps=.

    With follow it stays open, and an empty line each few seconds says that it still is. What the dashboard itself has
    to say, such as that the log broke off, comes as its last line.
    """
    asked = _asked()
    view, inspector, tails = _known(uid), _inspector(), _tails()
    with _problems():
        with _looks().one():
            asked = _of_the_pod(asked, names(inspector.pod(view)))
        reader = LogReader(request.environ.get("gunicorn.socket") or request.environ.get("werkzeug.socket"))
        try:
            tail = tails.open(lambda: inspector.log(view, asked), reader, follow=asked.follow)
        except TooManyLogs:
            abort(problem(503, "As many logs as can be read at once are being read.", Retry_After="10"))
    response = Response(tail.lines(), content_type="text/plain; charset=utf-8")
    response.call_on_close(tail.close)  # also where nothing of it was ever sent
    return response


def as_yaml(pod: Json) -> str:
    """The object as `kubectl get -o yaml` shows it, but in the API's own order: a container's name before its rest."""
    meta = {name: value for name, value in (pod.get("metadata") or {}).items() if name != "managedFields"}
    first = {name: pod[name] for name in ("apiVersion", "kind") if name in pod}
    text: str = yaml.dump(
        first | pod | {"metadata": meta}, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text if len(text) <= LONGEST_YAML else f"{text[:LONGEST_YAML]}\n# The rest is not shown.\n"


TEXT = "tag:yaml.org,2002:str"


class Dumper(yaml.SafeDumper):
    """As kubectl writes it: text of several lines as a block, what does not look like text in quotes, no references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    seems = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(TEXT, text, style="|" if "\n" in text else None if seems == TEXT else '"')


Dumper.add_representer(str, _text)


def _known(uid: str) -> Json:
    """The pod's view in the state, or 404."""
    hub: Hub = current_app.extensions["hub"]
    view = next((pod for pod in hub.pods() if pod["uid"] == uid), None)
    return view or abort(404, "There is no such pod, or it is gone.")


@contextlib.contextmanager
def _problems() -> Iterator[None]:
    try:
        yield
    except PodReadError as error:
        abort(problem(STATUSES[type(error)], str(error)))


def _parameters(*known: str) -> MultiDict[str, str]:
    """The query's parameters, each given once and by a name that is known."""
    for name, values in request.args.lists():
        if name not in known:
            abort(400, f"There is no parameter {name[:40]!r} here." + (f" Known: {', '.join(known)}." if known else ""))
        if len(values) > 1:
            abort(400, f"{name} must be given once.")
    return request.args


def _asked() -> LogRequest:
    """What the query asks for; a container that it does not name is "" here."""
    given = _parameters("container", "previous", "tail", "follow", "timestamps")
    return LogRequest(
        container=given.get("container", ""),
        previous=_flag(given, "previous"),
        tail=_whole(given, "tail", 500, LONGEST_TAIL),
        follow=_flag(given, "follow"),
        timestamps=_flag(given, "timestamps"),
    )


def _of_the_pod(asked: LogRequest, known: list[str]) -> LogRequest:
    """With the name of a container that there is."""
    if not asked.container and known:
        return structs.replace(asked, container=known[0])
    if asked.container not in known:
        raise PodNotFound(f"The pod has no such container. It has {', '.join(known)}.")
    return asked


def _flag(given: MultiDict[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        abort(400, f"{name} must be true or false.")
    return text == "true"


def _whole(given: MultiDict[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        abort(400, f"{name} must be a whole number from 1 to {most}.")
    return int(text)


def _inspector() -> PodReader:
    inspector: PodReader = current_app.extensions["inspector"]
    return inspector


def _looks() -> PodLookups:
    looks: PodLookups = current_app.extensions["looks"]
    return looks


def _tails() -> LogStreams:
    tails: LogStreams = current_app.extensions["tails"]
    return tails
