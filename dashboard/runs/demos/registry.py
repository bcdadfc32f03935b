"""All demos. A new one is a package beside these, and a line here."""

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from dashboard.runs.demo import ByHand, Demo
from dashboard.runs.demos.autoscale.spec import DEMO as AUTOSCALE
from dashboard.runs.demos.endings import WITHOUT_CRASH
from dashboard.runs.demos.failover.spec import DEMO as FAILOVER
from dashboard.runs.demos.healing.spec import DEMO as HEALING
from dashboard.runs.demos.persistence.spec import DEMO as PERSISTENCE
from dashboard.runs.demos.rollout.spec import DEMO as ROLLOUT
from dashboard.target.target import ProofTarget

DEMOS: Mapping[str, Demo] = {demo.id: demo for demo in (PERSISTENCE, AUTOSCALE, ROLLOUT, HEALING, FAILOVER)}


def offered(members: int, withheld: Collection[str]) -> Mapping[str, Demo]:
    """Return the demos of a deployment whose MongoDB has so many members, but those that take an action which its
    manifests withhold."""
    return {
        id_: demo
        for id_, demo in DEMOS.items()
        if demo.least_members <= members <= demo.most_members and demo.takes_action not in withheld
    }


def offered_for(target: ProofTarget) -> Mapping[str, Demo]:
    """Return the demos of somebody else's application: those that ask of it no more than its target says."""
    load = target.service.load.replace("{", "{{").replace("}", "}}")
    persistence = replace(
        PERSISTENCE,
        options=WITHOUT_CRASH,
        by_hand=ByHand(PERSISTENCE.by_hand.command, "Write documents meanwhile: each is acknowledged, a little late."),
    )
    autoscale = replace(
        AUTOSCALE, by_hand=ByHand(f"ab -t 90 -n 1000000 -c 100 '{{service}}{load}'", AUTOSCALE.by_hand.watch)
    )
    parts = (persistence, target.database is not None), (autoscale, bool(target.service.autoscaler))
    return {demo.id: demo for demo, has in parts if has}
