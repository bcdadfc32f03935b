"""The simulated Deployment's templates: its revisions, and which one its pods are made from."""

import hashlib
import json
from dataclasses import dataclass

from dashboard.core.deployment.revisions import REVISION
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.manifests import HASH, Json
from dashboard.mock.cluster.pods import LETTERS

KEPT = 4  # revisions: the current one, and as many former ones as in k8s/base


@dataclass
class Revision:
    number: int
    hash: str
    template: Json
    created: str


class SimulatedRollout:
    """`paused` and the newest revision are the Deployment's; `generation` counts the changes of its spec."""

    def __init__(self, clock: SimulationClock, name: str) -> None:
        self.paused = False
        self.generation = 1
        self._clock = clock
        self._name = name
        labels = {"app.kubernetes.io/name": name}
        container = {"name": name, "image": f"flask-mongodb-{name}:mock"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        self._revisions = [Revision(1, HASH, template, "")]

    @property
    def current(self) -> Revision:
        return self._revisions[-1]

    def change(self, spec: Json) -> None:
        """Take a changed spec. A template that a revision had makes that one the newest again."""
        self.generation += 1
        self.paused = bool(spec.get("paused"))
        template = spec["template"]
        if template == self.current.template:
            return
        known = next((one for one in self._revisions if one.template == template), None)
        if known:
            self._revisions.remove(known)
        made = known or Revision(0, _hash(template), template, self._clock.stamp())
        made.number = max((one.number for one in self._revisions), default=0) + 1
        self._revisions = [*self._revisions, made][-KEPT:]

    def replica_sets(self, owner: str) -> list[Json]:
        return [
            {
                "metadata": {
                    "name": f"{self._name}-{one.hash}",
                    "creationTimestamp": one.created or None,
                    "annotations": {REVISION: str(one.number)},
                    "ownerReferences": [{"kind": "Deployment", "uid": owner, "controller": True}],
                },
                "spec": {"template": one.template},
            }
            for one in self._revisions
        ]


def _hash(template: Json) -> str:
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[: len(HASH)])
