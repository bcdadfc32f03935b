"""Documents as the data service gives and takes them: what the dashboard asks it for, and what may keep it from that.

Bodies are bytes and stay as they came: a number that a browser would round must reach it as it was written.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

LARGEST_ANSWER = 4 << 20  # bytes
LARGEST_DOCUMENT = 1 << 20  # bytes, of a document that is sent: the service's own limit

PARAMETERS = ("filter", "before", "limit")  # that the service knows, of a page of documents


class DataServiceError(Exception):
    """The data service can't be asked. The message is a plain sentence.

    DataServiceError
    ├── DataServiceBusy      enough requests wait for it already
    ├── DataServiceUnavailable      there is nothing at its address: nothing was sent
    ├── DataServiceTimeout    it was asked, and did not answer in time: what was sent is stored, or not
    ├── AnswerTooLarge  its answer exceeds LARGEST_ANSWER
    └── UnexpectedAnswer   what answers at its address is something else
    """


class DataServiceBusy(DataServiceError):
    pass


class DataServiceUnavailable(DataServiceError):
    pass


class DataServiceTimeout(DataServiceError):
    pass


class AnswerTooLarge(DataServiceError):
    pass


class UnexpectedAnswer(DataServiceError):
    pass


class DataServiceAnswer(msgspec.Struct, frozen=True):
    """What the service answered, errors of its own included: those are problem+json with their status."""

    status: int
    body: bytes
    content_type: str = "application/json"
    next: Mapping[str, str] | None = None  # the parameters of the next page, if there is one
    id: str | None = None  # of the document that was stored
    retry_after: str | None = None  # seconds


class DataService(Protocol):
    """Either has the answer or raises a DataServiceError."""

    def newest(self, parameters: Mapping[str, str]) -> DataServiceAnswer:
        """A page of documents, as PARAMETERS say."""

    def document(self, id_: str) -> DataServiceAnswer:
        """One document. The id must have been checked to be 24 hexadecimal digits."""

    def insert(self, body: bytes, content_type: str) -> DataServiceAnswer:
        """Stores the document that the body holds."""
