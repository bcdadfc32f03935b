"""The names of what is observed."""

from msgspec import Struct


class Targets(Struct, frozen=True):
    """The names of the observed objects. They come from the configuration, never from a request."""

    namespace: str
    cluster: str
    deployment: str
    statefulset: str
    autoscaler: str
    service: str

    @property
    def apps(self) -> tuple[str, ...]:
        """The Deployment, and the StatefulSet if there is one: a pod that nothing has made is of neither."""
        return tuple(filter(None, (self.deployment, self.statefulset)))
