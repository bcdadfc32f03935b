"""The persistence demo as data."""

from dashboard.kube.pod_control import CRASH, GRACEFUL
from dashboard.runs.demo import ByHand, Choice, Claim, Demo, Field, Json, Step
from dashboard.runs.demos.persistence import words
from dashboard.runs.demos.persistence.demo import Persistence

CLAIMS = {
    GRACEFUL: Claim(
        "Eight writers wrote without a pause while the database's pod was deleted and replaced. Every document that the"
        " service had acknowledged was read back from the new pod with its original content. The new pod mounted the"
        " same volume.",
        "Nothing of a crash: the database was told to end and had time for it. Nothing of the loss of the node, of its"
        " disk or of its power.",
    ),
    CRASH: Claim(
        "Eight writers wrote without a pause while mongod was killed with SIGKILL. Every document that the service had"
        " acknowledged was read back from the new mongod with its original content. mongod could write nothing after"
        " the kill: whatever was acknowledged had left its process before.",
        "Nothing of a power cut: writes that the process had handed to the kernel survived it. Nothing of the loss of"
        " the node or of its disk.",
    ),
}


def _claim(options: Json) -> Claim:
    return CLAIMS.get(str(options.get("mode")), CLAIMS[GRACEFUL])


DEMO = Demo(
    id="persistence",
    title="Persistence",
    claim="A database restart loses nothing that was acknowledged",
    takes="40 seconds",
    sentence="Kills the database's pod while eight writers write through the service, then reads every document back:"
    " no acknowledged document may be lost.",
    steps=(
        Step("preflight", "Check that it can begin"),
        Step("warmup", "Write until enough is acknowledged"),
        Step("kill", "Kill the database"),
        Step("outage", "Write on until it is back"),
        Step("after", "Write 10 s more, and a last document"),
        Step("readback", "Read every document back"),
    ),
    options=(Choice("mode", {GRACEFUL: "delete the pod", CRASH: "SIGKILL mongod"}, GRACEFUL),),
    limits={
        "deadline": 420.0, "ready": 60.0, "warmup": 60.0, "outage": 120.0, "least_after": 10.0, "after": 60.0,
        "readback": 60.0,
    },
    evidence=(
        Field("mode", "How the database was ended"),
        Field("attempted", "Documents sent"),
        Field("acked", "of them acknowledged", kept=True),
        Field("unknown", "of them with an outcome that is not known"),
        Field("failed", "of them refused"),
        Field(
            "lost", "Acknowledged, and not there afterwards", kept=True, claim="No acknowledged document is lost"
        ),
        Field("corrupt", "There with another content", claim="Every document has its original content"),
        Field("unexpected", "There, and never sent", claim="No document is there that nobody wrote"),
        Field("recovered", "There, though never acknowledged"),
        Field("lost_ids", "Those that are lost"),
        Field("corrupt_ids", "Those with another content"),
        Field("unexpected_ids", "Those that were never sent"),
        Field(
            "acked_before", "Acknowledged before the database was ended", claim="Enough was written before the kill"
        ),
        Field("acked_after", "Acknowledged once it was back", claim="Writes go on after it"),
        Field("rate_before", "Acknowledged, just before it was ended", "a second"),
        Field("in_flight", "Under way while it was gone", claim="Writes were under way during the outage"),
        Field("down", "Without a database", "s", kept=True, claim="The database comes back"),
        Field("ready", "Until its pod was Ready again", "s"),
        Field("longest_write", "Longest write", "s", kept=True),
        Field("volume", "The database's volume", claim="It comes back on the same volume"),
        Field("pod", "The database's pod, by uid"),
        Field("container", "mongod's container"),
        Field("node", "The pod's node"),
        Field("claim", "The PersistentVolumeClaim, by uid"),
        Field("scope", "What was survived"),
    ),
    key_figures=words.key_figures,
    lines=words.lines,
    compared=words.compared,
    comparison="down {}",
    claims=_claim,
    by_hand=ByHand(
        "kubectl -n {namespace} delete pod {database}",
        "Post documents meanwhile: each is answered 201, a little late, and arrives below.",
    ),
    experiment=lambda context, tools: Persistence(
        context, tools.pods, tools.reader, tools.writers(context.run.id), tools.view, tools.database
    ),
)  # fmt: skip
