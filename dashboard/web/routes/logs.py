"""The logs of several pods, or of one, as one stream of JSON lines."""

from functools import partial

from flask import Blueprint, Response, abort, current_app, request

from dashboard.kube.pods.details import Json, PodReader
from dashboard.kube.pods.logs import LONGEST_TAIL
from dashboard.kube.pods.merged_log import FollowerSlots, MergedLog, MergedRequest
from dashboard.web.auth import require, viewer_id
from dashboard.web.hub import Hub
from dashboard.web.log_streams import LogStreams, TooManyLogs, ViewerConnection
from dashboard.web.problems import problem
from dashboard.web.query import flag, parameters, whole
from dashboard.web.sockets.client_socket import client_socket

RETRY_SECONDS = "10"

logs = Blueprint("logs", __name__, url_prefix="/api/logs")


@logs.get("")
@require("viewer")
def merged() -> Response:
    """The logs as JSON lines: ?app=&pod=&container=&previous=&tail=&follow=. See kube.pods.merged_log for the records.

    `app` takes the pods of that name, `pod` the one with that uid; without both it is all pods of the namespace.
    """
    given = parameters("app", "pod", "container", "previous", "tail", "follow")
    wanted = MergedRequest(
        container=given.get("container", ""),
        previous=flag(given, "previous"),
        tail=whole(given, "tail", 500, LONGEST_TAIL),
        follow=flag(given, "follow"),
    )
    pods = partial(_chosen, current_app.extensions["hub"], given.get("app", ""), given.get("pod", ""))
    if given.get("pod") and not pods():
        abort(404, "There is no such pod, or it is gone.")
    reader: PodReader = current_app.extensions["pod_reader"]
    streams: LogStreams = current_app.extensions["log_streams"]
    slots: FollowerSlots = current_app.extensions["follower_slots"]
    connection = ViewerConnection(client_socket(request.environ))
    viewer = viewer_id()
    try:
        stream = streams.open(
            lambda: MergedLog(pods, reader, wanted, slots, viewer=viewer),
            connection,
            follow=wanted.follow,
            viewer=viewer,
        )
    except TooManyLogs as error:
        abort(problem(503, str(error), Retry_After=RETRY_SECONDS))
    response = Response(stream.lines(), content_type="application/x-ndjson; charset=utf-8")
    response.call_on_close(stream.close)  # also if nothing was ever sent
    return response


def _chosen(hub: Hub, app: str, uid: str) -> list[Json]:
    """Return the chosen pods, as they are in the state now."""
    return [pod for pod in hub.pods() if (not app or pod["app"] == app) and (not uid or pod["uid"] == uid)]
