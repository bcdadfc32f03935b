"""The parts of the service's Deployment that a run keeps: its pod template, and that on which a roll-out rests."""

from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

DIGITS = 12  # of a template's SHA-256

Json = dict[str, Any]


class Deployed(Struct, frozen=True):
    """A Deployment at one time. `pre_stop` and `readiness`: whether each container that has ports has a preStop hook
    and a readiness probe. `progress_deadline`: the seconds without progress after which Kubernetes calls it failed."""

    name: str
    uid: str
    template: Json
    pre_stop: bool
    readiness: bool
    progress_deadline: int | None = None

    @property
    def digest(self) -> str:
        """The beginning of the template's SHA-256. Equal templates have the same ReplicaSet."""
        return sha256(msgspec.json.encode(self.template, order="sorted")).hexdigest()[:DIGITS]


def deployed(deployment: Json) -> Deployed:
    """Read the object as the API server has it."""
    template: Json = deployment["spec"]["template"]
    serving = [each for each in template["spec"]["containers"] if each.get("ports")]
    return Deployed(
        name=deployment["metadata"]["name"],
        uid=deployment["metadata"]["uid"],
        template=template,
        pre_stop=all((each.get("lifecycle") or {}).get("preStop") for each in serving),
        readiness=all(each.get("readinessProbe") for each in serving),
        progress_deadline=deployment["spec"].get("progressDeadlineSeconds"),
    )
