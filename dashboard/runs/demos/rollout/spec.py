"""The rollout demo as data."""

from dashboard.runs.demo import ByHand, Conclusion, Demo, Field, Step
from dashboard.runs.demos.disruption import fields
from dashboard.runs.demos.disruption.records import asked, recompute
from dashboard.runs.demos.rollout.demo import Rollout

ROLL_SECONDS = 300.0  # that the service has to be whole within, or the Deployment's progress deadline
RUN = asked("restart", "undo", restart=ROLL_SECONDS, undo=ROLL_SECONDS)
CONCLUSION = Conclusion(
    "The service's pods were replaced by new ones and these by others again, while an open-loop load, eight writers and"
    f" two readers used the service.{fields.PROVED}",
    "That another version of the program starts, or understands what this one has stored: the image stayed the same."
    " Nothing of a node's end.",
)

DEMO = Demo(
    id="rollout",
    title="Roll-out",
    claim="A roll-out, forward and back, fails no request",
    takes="2 minutes",
    sentence="Rolls the service's pods forward and back while a load, eight writers and two readers use it: no request"
    " may fail, no acknowledged write may be lost, and all pods must be Ready again.",
    steps=(
        Step("preflight", "Check that all pods are Ready"),
        Step("warmup", "Load, and write until enough is acknowledged"),
        Step("restart", "Roll out, until requests reach each new pod"),
        Step("undo", "Roll back, until requests reach each new pod"),
        Step("after", "Go on for 20 s, and write a last document"),
        Step("readback", "Read every document back"),
    ),
    options=(),
    limits=fields.LIMITS,
    evidence=fields.fields(
        (
            Field("restart", "The roll-out, until all pods were new and Ready", "s"),
            Field("undo", "The roll-back, until all pods were new and Ready", "s"),
        )
    ),
    key_figures=fields.key_figures,
    lines=fields.lines,
    compared=fields.compared,
    comparison="all Ready after {}",
    conclusion=lambda options: CONCLUSION,
    by_hand=ByHand(
        "kubectl -n {namespace} rollout restart deployment/{deployment} && kubectl -n {namespace} rollout status"
        " deployment/{deployment} && kubectl -n {namespace} rollout undo deployment/{deployment}",
        "Post documents meanwhile: each is answered 201. A pod at a time starts, and an old one ends once it is Ready.",
    ),
    experiment=lambda context, tools: Rollout(context, tools, RUN),
    recompute=lambda header, records: recompute(RUN, header, records),
    takes_action="rollout",
)
