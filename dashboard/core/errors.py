"""What may go wrong with a request or outside of the dashboard. Each message is a sentence that a user may read; any
other exception is a defect.

    InvalidOption     an option that is unknown, of the wrong type or out of bounds

    ExternalError
    ├── NotFound      there is no such object (any more)
    ├── UidMismatch   the object has another uid than the one that was meant
    ├── LeaseHeld     another holds the lease (kube.lease)
    └── LeaseLost     the lease was ours, and is no longer (kube.lease)
"""


class ExternalError(Exception):
    """Something outside did not do what was asked."""


class NotFound(ExternalError):
    pass


class UidMismatch(ExternalError):
    pass


class InvalidOption(ValueError):
    pass
