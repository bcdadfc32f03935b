"""A proxy for documents: passes on the data service's answers unchanged, including its errors.

The dashboard checks the requester; the service checks the request. The service's address comes from the configuration,
and only known parameters of a request are passed on, encoded again.
"""

import contextlib
import re
from collections.abc import Iterator
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, current_app, request

from dashboard.dataservice.contract import (
    LARGEST_DOCUMENT,
    PARAMETERS,
    AnswerTooLarge,
    DataService,
    DataServiceAnswer,
    DataServiceBusy,
    DataServiceError,
    DataServiceTimeout,
    DataServiceUnavailable,
    UnexpectedAnswer,
)
from dashboard.web.auth import require
from dashboard.web.problems import problem
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
    parameters = _parameters(*PARAMETERS)
    with _problems():
        return _passed_on(_service().newest(parameters))


@documents.get("/<id_>")
@require("viewer")
def document(id_: str) -> Response:
    """One document."""
    _parameters()
    if not _ID.fullmatch(id_):
        abort(404, "There is no document with this id: an id has 24 hexadecimal digits.")
    with _problems():
        return _passed_on(_service().document(id_))


@documents.post("")
@require("operator")
def insert() -> Response:
    """Store a document."""
    _parameters()
    body = whole(LARGEST_DOCUMENT, "A document")
    with _problems(writing=True):
        return _passed_on(_service().insert(body, request.headers.get("Content-Type", "")))


def _service() -> DataService:
    service: DataService = current_app.extensions["service"]
    return service


def _passed_on(answer: DataServiceAnswer) -> Response:
    """Return the answer, with the dashboard's addresses, which are relative, instead of the service's."""
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    if answer.next:
        response.headers["Link"] = f'<documents?{urlencode(answer.next)}>; rel="next"'
    if answer.id:
        response.headers["Location"] = f"documents/{answer.id}"
    if answer.retry_after:
        response.headers["Retry-After"] = answer.retry_after
    return response


def _parameters(*known: str) -> dict[str, str]:
    """Return the query's parameters. Abort with 400 if one is unknown or given twice, as the service does."""
    for name, values in request.args.lists():
        if name not in known:
            abort(400, f"Unknown query parameter {name!r}.")
        if len(values) > 1:
            abort(400, f"The query parameter {name!r} must be given once.")
    return request.args.to_dict()


@contextlib.contextmanager
def _problems(*, writing: bool = False) -> Iterator[None]:
    try:
        yield
    except DataServiceError as error:
        members = _outcome(error) if writing else {}
        unknown = members.get("outcome") == "unknown"
        detail = f"{error} It is unknown whether the document was stored." if unknown else str(error)
        abort(problem(STATUSES[type(error)], detail, members))


def _outcome(error: DataServiceError) -> dict[str, str]:
    """Return the outcome of a write: unknown after any error that came once the request was sent."""
    return {"outcome": "not-applied" if isinstance(error, DataServiceUnavailable | DataServiceBusy) else "unknown"}
