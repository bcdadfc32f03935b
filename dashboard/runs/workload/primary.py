"""The replica set's primary, as it describes itself. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Primary(Struct, frozen=True):
    """`process` is the id of its process, which is new after each start of mongod. `name` is its own and `members` are
    those of all members that hold data: each the first part of a member's address, which is its pod's name if the set
    knows its members by their Services or pods."""

    process: str
    name: str
    members: tuple[str, ...] = ()

    def beside(self, pod: str) -> str | None:
        """Return its name if the pod is another member of its set; None if it is none, or if that is unknown."""
        return self.name if {pod, self.name} <= {*self.members} and self.name != pod else None


def primary_of(hello: Mapping[str, Any]) -> Primary | None:
    """Return the primary whose answer to `hello` this is; None if it is no primary's."""
    if not hello.get("isWritablePrimary"):
        return None
    members = (*hello.get("hosts", ()), *hello.get("passives", ()))
    return Primary(str(hello["topologyVersion"]["processId"]), _name(hello.get("me", "")), tuple(map(_name, members)))


def _name(address: str) -> str:
    return address.partition(":")[0].partition(".")[0]
