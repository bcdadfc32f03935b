"""The protocol of the data service's client, its answers and its errors.

Bodies are unchanged bytes, because parsing and encoding them again could change numbers.
"""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlencode

import msgspec

LARGEST_ANSWER = 4 << 20  # bytes
LARGEST_DOCUMENT = 1 << 20  # bytes of a document to store: the service's own limit

PARAMETERS = ("filter", "before", "limit")  # of a page of documents
LONGEST_FILTER = 8_000  # bytes in an address: the service's and the dashboard's request lines have 8,190
UNRESERVED = "!$'()*,/:;?@"  # in a query (RFC 3986), but for what parts its parameters: one byte each instead of three


class DataServiceError(Exception):
    """A request failed. The message is a sentence for the user.

    DataServiceError
    ├── DataServiceBusy         too many requests are waiting; nothing was sent
    ├── DataServiceUnavailable  no connection; nothing was sent
    ├── DataServiceTimeout      no complete response in time; the outcome of a write is unknown
    ├── AnswerTooLarge          the response exceeds LARGEST_ANSWER; a write's outcome is unknown
    └── UnexpectedAnswer        the response is not JSON, or a redirect; a write's outcome is unknown
    """


class DataServiceBusy(DataServiceError):
    pass


class DataServiceUnavailable(DataServiceError):
    pass


class DataServiceTimeout(DataServiceError):
    pass


class AnswerTooLarge(DataServiceError):
    """`beginning` is the answer with the beginning of its body."""

    def __init__(self, message: str, beginning: "DataServiceAnswer | None" = None) -> None:
        super().__init__(message)
        self.beginning = beginning


class UnexpectedAnswer(DataServiceError):
    pass


class DataServiceAnswer(msgspec.Struct, frozen=True):
    """The service's answer: JSON, or its own error as problem+json with a status of 400 or more."""

    status: int
    body: bytes
    content_type: str = "application/json"
    next: Mapping[str, str] | None = None  # the parameters of the next page; None on the last
    id: str | None = None  # of the stored document
    retry_after: str | None = None  # seconds
    etag: str | None = None  # of the document, also of the present one when a precondition failed


class DataService(Protocol):
    """A client of the data service. Each method may raise a DataServiceError.

    An id has 24 hexadecimal digits. With `if_match`, a document is changed only in the version of this ETag.
    """

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        """Return a page of documents, newest first. Parameters that are not in PARAMETERS are ignored."""

    def document(self, id_: str) -> DataServiceAnswer:
        """Return one document."""

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        """Store the document in the body."""

    def replace(self, id_: str, body: bytes, content_type: str, if_match: str = "") -> DataServiceAnswer:
        """Replace the document with the one in the body."""

    def delete(self, id_: str, if_match: str = "") -> DataServiceAnswer:
        """Delete the document."""


def query(parameters: Mapping[str, str]) -> str:
    """Return the parameters as an address has them."""
    return urlencode(parameters, safe=UNRESERVED)
