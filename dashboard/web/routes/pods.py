"""A pod's details: its spec, events, logs and YAML.

A request names a pod by its uid, which is looked up in the state. So only names that the dashboard knows already reach
the Kubernetes API.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import orjson
import yaml
from flask import Blueprint, Response, abort, current_app, request
from msgspec import structs

from dashboard.kube.errors import (
    ContainerWaiting,
    ObjectNotFound,
    ObjectReadError,
    ObjectReadForbidden,
    ObjectReadUnavailable,
)
from dashboard.kube.pods.details import Json, LogRequest, PodReader, details, names
from dashboard.kube.pods.logs import LONGEST_TAIL, TextLog
from dashboard.web.auth import require, viewer_id
from dashboard.web.hub import Hub
from dashboard.web.log_streams import LogStreams, TooManyLogs, ViewerConnection
from dashboard.web.lookups import lookups
from dashboard.web.problems import problem
from dashboard.web.query import flag, parameters, whole
from dashboard.web.sockets.client_socket import client_socket

LONGEST_YAML = 512 << 10  # characters

STATUSES: dict[type[ObjectReadError], int] = {
    ObjectNotFound: 404,
    ContainerWaiting: 409,
    ObjectReadForbidden: 403,
    ObjectReadUnavailable: 502,
}

pods = Blueprint("pods", __name__, url_prefix="/api/pods")


@pods.get("/<uid>")
@require("viewer")
def pod(uid: str) -> Response:
    """The pod: see kube.pods.details.details; and `yaml`."""
    parameters()
    view, reader = _known(uid), _pod_reader()
    with lookups().one(), read_problems():
        found = reader.pod(view)
        events = reader.events(view)
    shown = details(found, events) | {"yaml": as_yaml(found)}
    return Response(orjson.dumps(shown), content_type="application/json")


@pods.get("/<uid>/log")
@require("viewer")
def log(uid: str) -> Response:
    """A container's log as text: ?container=&previous=&tail=&follow=&timestamps=.

    With follow the response stays open, and sends an empty line every few seconds as a heartbeat. The dashboard's own
    message, such as that the log broke off, is the last line.
    """
    wanted = _log_request()
    view, reader = _known(uid), _pod_reader()
    with read_problems():
        with lookups().one():
            wanted = _with_container(wanted, names(reader.pod(view)))
        connection = ViewerConnection(client_socket(request.environ))
        try:
            stream = _log_streams().open(
                lambda: TextLog(reader.log(view, wanted)), connection, follow=wanted.follow, viewer=viewer_id()
            )
        except TooManyLogs as error:
            abort(problem(503, str(error), Retry_After="10"))
    response = Response(stream.lines(), content_type="text/plain; charset=utf-8")
    response.call_on_close(stream.close)  # also if nothing was ever sent
    return response


def as_yaml(pod: Json) -> str:
    """Format the object like `kubectl get -o yaml`, but in the API's order: a container's name comes first."""
    meta = {name: value for name, value in (pod.get("metadata") or {}).items() if name != "managedFields"}
    first = {name: pod[name] for name in ("apiVersion", "kind") if name in pod}
    text: str = yaml.dump(
        first | pod | {"metadata": meta}, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text if len(text) <= LONGEST_YAML else f"{text[:LONGEST_YAML]}\n# The rest is not shown.\n"


TEXT = "tag:yaml.org,2002:str"


class Dumper(yaml.SafeDumper):
    """Formats like kubectl: multi-line text as a block, ambiguous scalars in quotes, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    seems = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(TEXT, text, style="|" if "\n" in text else None if seems == TEXT else '"')


Dumper.add_representer(str, _text)


def _known(uid: str) -> Json:
    """Return the pod in the state. Abort with 404 if there is none."""
    hub: Hub = current_app.extensions["hub"]
    view = next((pod for pod in hub.pods() if pod["uid"] == uid), None)
    return view or abort(404, "There is no such pod, or it is gone.")


@contextlib.contextmanager
def read_problems() -> Iterator[None]:
    """Turn the errors of what reads objects and logs into problem responses."""
    try:
        yield
    except ObjectReadError as error:
        abort(problem(STATUSES[type(error)], str(error)))


def _log_request() -> LogRequest:
    """Parse the query. The container is "" if it is not given."""
    given = parameters("container", "previous", "tail", "follow", "timestamps")
    return LogRequest(
        container=given.get("container", ""),
        previous=flag(given, "previous"),
        tail=whole(given, "tail", 500, LONGEST_TAIL),
        follow=flag(given, "follow"),
        timestamps=flag(given, "timestamps"),
    )


def _with_container(wanted: LogRequest, known: list[str]) -> LogRequest:
    """Return the request with the pod's first container as default. Raise `ObjectNotFound` for an unknown one."""
    if not wanted.container and known:
        return structs.replace(wanted, container=known[0])
    if wanted.container not in known:
        raise ObjectNotFound(f"The pod has no such container. It has {', '.join(known)}.")
    return wanted


def _pod_reader() -> PodReader:
    reader: PodReader = current_app.extensions["pod_reader"]
    return reader


def _log_streams() -> LogStreams:
    streams: LogStreams = current_app.extensions["log_streams"]
    return streams
