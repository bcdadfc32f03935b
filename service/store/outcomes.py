"""The outcomes of commands: the store's errors, and the driver's errors as these.

An uncertain outcome is never reported as a failure:

    StoreError
    ├── Unavailable   the command was not sent: not applied
    │   ├── Refused   MongoDB refuses the service's user
    │   └── Replaced  another, empty replica set has the place of the former one
    ├── Unknown       sent and not answered in time: it may or may not be applied, now or later
    ├── Conflict      another document has this _id
    ├── PreconditionFailed       the document does not meet the request's preconditions: not applied
    ├── TooLarge      MongoDB can't compare a document so large: not applied
    ├── Reserved      the document uses a name that is reserved in its collection
    ├── BadCursor     the paging position is invalid
    ├── Unfinished    a search was stopped at the deadline
    └── Rejected      MongoDB answered with an error: not applied
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from bson.errors import BSONError
from pymongo.errors import (
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from service.coalescer import TimedOut

# AuthenticationFailed; what interrupts a command, which may have stored some of its documents: ExceededTimeLimit,
# ClientDisconnect, TransactionExceededLifetimeLimitSeconds, a killed operation, a shutdown and a stepdown (three).
# Then NotWritablePrimary, NotPrimaryNoSecondaryOk and PrimarySteppedDown, with which one document alone is refused.
NOT_PRIMARY = {10107, 13435, 189}
_KEY_NOT_FOUND = 211  # a MongoDB that has just started can't verify the driver's cluster time yet, and executes nothing
_TRANSIENT = {18, 91, 262, 279, 290, 11600, 11601, 11602, _KEY_NOT_FOUND, *NOT_PRIMARY}
_DUPLICATE_KEY = 11000
_MALFORMED = {22, 15}  # InvalidBSON; Overflow, also of nested levels


class StoreError(Exception):
    """Base class of the store's errors."""


class Unavailable(StoreError):
    """MongoDB could not be reached in time. Nothing was applied."""


class Refused(Unavailable):
    """MongoDB refuses the service's user. Nothing was applied."""


class Replaced(Unavailable):
    """The primary is of another replica set than before, as after its volume was replaced. Nothing was applied."""


class Unknown(StoreError):
    """MongoDB did not answer a write in time. `identity` is the id of the document to change."""

    def __init__(self, reason: str, identity: str) -> None:
        super().__init__(reason)
        self.identity = identity


class Conflict(StoreError):
    """A different document has this _id."""


class PreconditionFailed(StoreError):
    """The document does not meet the request's preconditions. Nothing was applied. `tag` is its present entity tag."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"The document has changed: its ETag is {tag} now.")
        self.tag = tag


class TooLarge(StoreError):
    """The stored document and its replacement exceed one command of MongoDB, in which they are compared."""


class Reserved(StoreError):
    """The document uses a name that is reserved in its collection."""


class BadCursor(StoreError):
    """The paging position is neither an id nor a position from a previous page."""

    def __init__(self) -> None:
        super().__init__(
            "before must be an _id of 24 hexadecimal digits, or the value that a page's Link header gives."
        )


class Unfinished(StoreError):
    """The deadline passed before a search found the requested number of documents."""


class Rejected(StoreError):
    """MongoDB answered with an error. Nothing was applied."""


@contextlib.contextmanager
def read_errors(searching: bool = False, foreign: bool = False) -> Iterator[None]:
    """Convert the driver's errors. MongoDB refuses a `foreign` position that it did not make."""
    try:
        yield
    except BSONError as error:
        if foreign:
            raise BadCursor() from error
        raise
    except PyMongoError as error:
        if foreign and is_rejection(error):
            raise BadCursor() from error
        if searching and isinstance(error, (ExecutionTimeout, NetworkTimeout)):  # MongoDB's timeout or the driver's
            raise Unfinished(reason(error)) from error
        raise (Rejected if is_rejection(error) else Unavailable)(reason(error)) from error


def refusal_of(error: Mapping[str, Any]) -> WriteError:
    """Return the error of one document of a command."""
    kind = DuplicateKeyError if error["code"] == _DUPLICATE_KEY else WriteError
    return kind(error["errmsg"], error["code"])


def outcome(error: PyMongoError | TimedOut, sent: int, identity: str) -> StoreError:
    """Return the StoreError for a failed write that was sent `sent` times."""
    if sent == 0:
        return Unavailable(reason(error))
    if sent == 1 and is_rejection(error):
        return Rejected(reason(error))
    return Unknown(reason(error), identity)


def is_rejection(error: PyMongoError | TimedOut) -> bool:
    """Return whether MongoDB answered with a permanent error: not a timeout, a shutdown or a user yet to be created."""
    return (
        isinstance(error, OperationFailure)
        and not isinstance(error, WriteConcernError)
        and not error.timeout
        and not error.has_error_label("RetryableWriteError")
        and error.code not in _TRANSIENT
    )


def is_malformed(error: BSONError | OperationFailure) -> bool:
    """Return whether what was sent is no BSON that MongoDB takes. Its error quotes that, which the driver may fail to
    decode."""
    return isinstance(error, BSONError) or error.code in _MALFORMED


def is_unexecuted(error: OperationFailure) -> bool:
    """Return whether MongoDB refuses for now, and has executed nothing."""
    return error.code == _KEY_NOT_FOUND or (isinstance(error, WriteError) and error.code in NOT_PRIMARY)


def reason(error: PyMongoError | TimedOut) -> str:
    """Return the driver's message without the topology that it appends."""
    return f"{type(error).__name__}: {str(error).partition(', full error')[0].partition(', Timeout:')[0]}"
