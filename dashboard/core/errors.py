"""The expected errors. Each message is a sentence for the user; any other exception is a bug.

    InvalidOption     an option is unknown, of the wrong type or out of bounds

    ExternalError
    ├── NotFound      the object does not exist (any more)
    ├── UidMismatch   the object has another uid than the given one: it was replaced
    ├── LeaseHeld     another dashboard or run holds the lease (kube.lease)
    └── LeaseLost     this dashboard held the lease, and another took it (kube.lease)
"""


class ExternalError(Exception):
    """A system outside of the dashboard failed or refused a request."""


class NotFound(ExternalError):
    pass


class UidMismatch(ExternalError):
    pass


class InvalidOption(ValueError):
    pass
