"""The expected errors. Each message is a sentence for the user; any other exception is a bug.

InvalidOption       an option is unknown, of the wrong type or out of bounds

ExternalError
├── NotFound        the object does not exist (any more)
├── Denied          the cluster does not let the dashboard do this
├── Changed         the object was changed since it was seen
├── UidMismatch     the object has another uid than the given one: it was replaced
├── LeaseHeld       another dashboard or run holds the lease (kube.lease)
├── LeaseLost       this dashboard held the lease, and another took it (kube.lease)
├── LoadBusy        a load is running already (load.options)
├── GeneratorUnfit  this machine can't send that many requests a second now (load.options)
├── NotKept         the evidence file can't be kept (runs.evidence.ring)
├── PeerUnavailable another dashboard did not do what it was asked (runs.peers)
├── Altered         the evidence file is not the one that was written (runs.evidence.store)
└── NotPossible     the Deployment's state does not allow the action (actions.rollout)
"""


class ExternalError(Exception):
    """A system outside of the dashboard failed or refused a request."""


class NotFound(ExternalError):
    pass


class UidMismatch(ExternalError):
    pass


class Denied(ExternalError):
    pass


class Changed(ExternalError):
    """`changes` are sentences about what changed."""

    def __init__(self, message: str, changes: list[str]) -> None:
        super().__init__(message)
        self.changes = changes


class InvalidOption(ValueError):
    pass
