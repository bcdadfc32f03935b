"""A proxy for documents: passes on the data service's answers unchanged, including its errors.

The dashboard checks the requester; the service checks the request. The service's address comes from the configuration,
and only known parameters of a request are passed on, encoded again.

A replacement and a deletion must say in If-Match which version was seen, so that none overwrites what is newer by
mistake. All changes are audited, with an Event on the database's pod, and allowed during a run: runs use a collection
of their own.
"""

import contextlib
import re
from collections.abc import Iterator

from flask import Blueprint, Response, abort, current_app, g, request

from dashboard.config import DashboardConfig
from dashboard.dataservice.protocol import (
    LARGEST_DOCUMENT,
    LONGEST_FILTER,
    PARAMETERS,
    AnswerTooLarge,
    DataService,
    DataServiceAnswer,
    DataServiceBusy,
    DataServiceError,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
    query,
)
from dashboard.web.audit import SHOWN, note_change
from dashboard.web.auth import require
from dashboard.web.hub import Hub
from dashboard.web.problems import problem
from dashboard.web.query import parameters
from dashboard.web.request_body import whole

STATUSES: dict[type[DataServiceError], int] = {
    DataServiceBusy: 503,
    DataServiceUnavailable: 502,
    DataServiceTimeout: 504,
    AnswerTooLarge: 502,
    UnexpectedAnswer: 502,
}

_ID = re.compile(r"[0-9a-fA-F]{24}")

documents = Blueprint("documents", __name__, url_prefix="/api/documents")


@documents.get("")
@require("viewer")
def newest() -> Response:
    """A page of documents, newest first: ?filter=&before=&limit=, and a Link to the next one."""
    given = parameters(*PARAMETERS).to_dict()
    length = len(query({"filter": given.get("filter", "")}))
    if length > LONGEST_FILTER:
        abort(414, f"The filter has {length:,} bytes in an address, of which it may have {LONGEST_FILTER:,}.")
    with _problems():
        return _passed_on(_service().newest(given))


@documents.get("/<id_>")
@require("viewer")
def document(id_: str) -> Response:
    """One document."""
    parameters()
    with _problems():
        return _passed_on(_service().document(_checked(id_)))


@documents.post("")
@require("operator")
def insert() -> Response:
    """Store a document."""
    g.action = "insert a document"
    parameters()
    body = whole(LARGEST_DOCUMENT, "A document")
    with _problems(writing=True):
        answer = _service().insert(body, request.headers.get("Content-Type", ""))
    if answer.id:
        g.action = f"insert the document {answer.id}"
    return _passed_on(answer)


@documents.put("/<id_>")
@require("operator")
def replace(id_: str) -> Response:
    """Replace the version of a document that If-Match names."""
    g.action = f"replace the document {id_[:SHOWN]}"
    parameters()
    if_match = _if_match()
    body = whole(LARGEST_DOCUMENT, "A document")
    with _problems(writing=True):
        content_type = request.headers.get("Content-Type", "")
        return _passed_on(_service().replace(_checked(id_), body, content_type, if_match))


@documents.delete("/<id_>")
@require("operator")
def delete(id_: str) -> Response:
    """Delete the version of a document that If-Match names."""
    g.action = f"delete the document {id_[:SHOWN]}"
    parameters()
    if_match = _if_match()
    with _problems(writing=True):
        return _passed_on(_service().delete(_checked(id_), if_match))


@documents.after_request
def note(response: Response) -> Response:
    """Audit what changes the documents, and what tries to."""
    return note_change(response, _database())


def _database() -> dict[str, str]:
    """Return the database's pod, which has the documents, for the audit."""
    config: DashboardConfig = current_app.config["DASHBOARD"]
    hub: Hub = current_app.extensions["hub"]
    name = f"{config.statefulset}-0"
    uid = next((str(pod["uid"]) for pod in hub.pods() if pod["name"] == name), "")
    return {"kind": "Pod", "name": name, "uid": uid}


def _checked(id_: str) -> str:
    if not _ID.fullmatch(id_):
        abort(404, "There is no document with this id: an id has 24 hexadecimal digits.")
    return id_


def _if_match() -> str:
    """Return If-Match. Abort with 428 without it."""
    given = request.headers.get("If-Match", "")
    if not given:
        abort(428, "If-Match must have the ETag of the version that was seen, as a GET answers it, or * for any.")
    return given


def _service() -> DataService:
    service: DataService = current_app.extensions["data_service"]
    return service


def _passed_on(answer: DataServiceAnswer) -> Response:
    """Return the answer, with the dashboard's addresses, which are relative, instead of the service's."""
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    if answer.next:
        response.headers["Link"] = f'<documents?{query(answer.next)}>; rel="next"'
    if answer.id:
        response.headers["Location"] = f"documents/{answer.id}"
    if answer.etag:
        response.headers["ETag"] = answer.etag
    if answer.retry_after:
        response.headers["Retry-After"] = answer.retry_after
    return response


@contextlib.contextmanager
def _problems(*, writing: bool = False) -> Iterator[None]:
    try:
        yield
    except DataServiceError as error:
        members = _outcome(error) if writing else {}
        unknown = members.get("outcome") == "unknown"
        detail = f"{error} It is unknown whether that was done." if unknown else str(error)
        abort(problem(STATUSES[type(error)], detail, members))


def _outcome(error: DataServiceError) -> dict[str, str]:
    """Return the outcome of a write: unknown after any error that came once the request was sent."""
    return {"outcome": "not-applied" if isinstance(error, DataServiceUnavailable | DataServiceBusy) else "unknown"}
