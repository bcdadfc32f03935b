"""The errors of what reads objects, their Events and containers' logs for the page.

    ObjectReadError
    ├── ObjectNotFound          the object, the container or the log does not exist
    ├── ContainerWaiting        the container has not started, so it has no log yet
    ├── ObjectReadForbidden     the dashboard's Role does not allow it
    └── ObjectReadUnavailable   the API server or the pod's node failed or did not answer

Each message is a sentence for the user.
"""


class ObjectReadError(Exception):
    pass


class ObjectNotFound(ObjectReadError):
    pass


class ContainerWaiting(ObjectReadError):
    pass


class ObjectReadForbidden(ObjectReadError):
    pass


class ObjectReadUnavailable(ObjectReadError):
    pass
