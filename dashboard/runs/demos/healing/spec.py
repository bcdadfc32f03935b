"""The self-healing demo as data."""

from dashboard.runs.demo import ByHand, Conclusion, Demo, Field, Step
from dashboard.runs.demos.disruption import fields
from dashboard.runs.demos.disruption.records import asked, recompute
from dashboard.runs.demos.healing.demo import Healing

HEAL_SECONDS = 120.0  # that the service has to be whole within, or the Deployment's progress deadline
RUN = asked("delete", "kill", delete=HEAL_SECONDS, kill=HEAL_SECONDS)
CONCLUSION = Conclusion(
    "One of the service's pods was deleted, and then another one without a grace period, while an open-loop load, eight"
    f" writers and two readers used the service. New pods took their places.{fields.PROVED}",
    "Nothing of a node's end. A request that was in flight in the pod that ended at once, or was sent to it within 5 s,"
    " could have failed: that is excused, and counted.",
)

DEMO = Demo(
    id="self-healing",
    title="Self-healing",
    claim="Lost pods are replaced, and nobody notices",
    takes="2 minutes",
    sentence="Deletes one of the service's pods, and another one without a grace period, while a load, eight writers"
    " and two readers use it: no request may fail beyond the last moments of a pod that ends at once, no acknowledged"
    " write may be lost, and new pods must take their places.",
    steps=(
        Step("preflight", "Check that all pods are Ready"),
        Step("warmup", "Load, and write until enough is acknowledged"),
        Step("delete", "Delete a pod, until a new one serves"),
        Step("kill", "Delete another without a grace period"),
        Step("after", "Go on for 20 s, and write a last document"),
        Step("readback", "Read every document back"),
    ),
    options=(),
    limits=fields.LIMITS,
    evidence=fields.fields(
        (
            Field("delete", "After a deletion, until all pods were Ready", "s"),
            Field("kill", "After a deletion without a grace period, until all pods were Ready", "s"),
        )
    ),
    key_figures=fields.key_figures,
    lines=fields.lines,
    compared=fields.compared,
    comparison="all Ready after {}",
    conclusion=lambda options: CONCLUSION,
    by_hand=ByHand(
        "kubectl -n {namespace} delete pod --wait=false $(kubectl -n {namespace} get pods -o name"
        " -l app.kubernetes.io/name={deployment} | head -1)",
        "Post documents meanwhile: each is answered 201. The Deployment makes a new pod at once.",
    ),
    experiment=lambda context, tools: Healing(context, tools, RUN),
    recompute=lambda header, records: recompute(RUN, header, records),
    takes_action="pods",
)
