"""The persistence demo as data."""

from dashboard.kube.pods.control import CRASH, GRACEFUL
from dashboard.runs.demo import ByHand, Conclusion, Demo, Field, Json, Step
from dashboard.runs.demos.document_fields import DOCUMENT_FIELDS
from dashboard.runs.demos.endings import OPTIONS
from dashboard.runs.demos.persistence import words
from dashboard.runs.demos.persistence.demo import Persistence
from dashboard.runs.demos.persistence.records import recompute

WROTE = (
    "Eight writers posted documents without a pause, and replaced and deleted some where the service has that, and"
    " others read them,"
)
PROVED = (
    " Every write that the service had acknowledged was there when all was read back, and no read saw a state before an"
    " acknowledged write."
)
CONCLUSIONS = {
    GRACEFUL: Conclusion(
        f"{WROTE} while the database's pod was deleted and replaced.{PROVED} The new pod mounted the same volume.",
        "Nothing of a crash: the database was told to end and had time for it. Nothing of the loss of the node, of its"
        " disk or of its power.",
    ),
    CRASH: Conclusion(
        f"{WROTE} while mongod was killed with SIGKILL.{PROVED} mongod could write nothing after the kill: whatever was"
        " acknowledged had left its process before.",
        "Nothing of a power cut: writes that the process had handed to the kernel survived it. Nothing of the loss of"
        " the node or of its disk.",
    ),
}
BY_TURNS = Conclusion(
    f"{WROTE} while by turns the database's pod was deleted and mongod was killed with SIGKILL.{PROVED} The volume"
    " stayed the same.",
    "Nothing of a power cut, nor of the loss of the node or of its disk.",
)


def _conclusion(options: Json) -> Conclusion:
    kills = options.get("kills")
    if isinstance(kills, int | float) and kills > 1:
        return BY_TURNS
    return CONCLUSIONS.get(str(options.get("mode")), CONCLUSIONS[GRACEFUL])


DEMO = Demo(
    id="persistence",
    title="Persistence",
    claim="A database restart loses nothing that was acknowledged",
    takes="40 seconds",
    sentence="Kills the database's pod while eight writers and two readers use the service, then reads every document"
    " back: no acknowledged write may be lost, and no read may miss one.",
    steps=(
        Step("preflight", "Check that it can begin"),
        Step("warmup", "Write until enough is acknowledged"),
        Step("kill", "Kill the database"),
        Step("outage", "Write on until it is back"),
        Step("after", "Write 10 s more, and a last document"),
        Step("readback", "Read every document back"),
    ),
    options=OPTIONS,
    limits={
        "deadline": 900.0, "ready": 60.0, "warmup": 60.0, "target": 10.0, "outage": 120.0, "least_after": 10.0,
        "after": 60.0, "readback": 60.0,
    },
    evidence=(
        Field("mode", "How the database was ended first"),
        Field("kills", "How often"),
        Field("rto", "RTO: the longest time without a database", "s"),
        Field("rpo", "RPO: acknowledged writes that were lost or undone", "documents"),
        Field("attempted", "Writes sent"),
        Field("acked", "of them acknowledged", kept=True),
        Field("unknown", "of them with an outcome that is not known"),
        Field("failed", "of them refused"),
        *DOCUMENT_FIELDS,
        Field("acked_before", "Acknowledged before the database was ended", claim="Enough was written before the kill"),
        Field("acked_after", "Acknowledged once it was back, at least", claim="Writes go on after it"),
        Field("rate_before", "Acknowledged, just before it was ended", "a second"),
        Field("in_flight", "Under way while it was gone, at least", claim="Writes were under way during the outage"),
        Field("outages", "Each kill"),
        Field("down", "Without a database, at most", "s", kept=True, claim="The database comes back"),
        Field("ready", "Until its pod was Ready again, at most", "s"),
        Field("longest_write", "Longest write", "s", kept=True),
        Field("volume", "The database's volume", claim="It comes back on the same volume"),
        Field("pod", "The database's pod, by uid"),
        Field("container", "The database's container"),
        Field("node", "The pod's node"),
        Field("claim", "The PersistentVolumeClaim, by uid"),
        Field("scope", "What was survived"),
    ),
    key_figures=words.key_figures,
    lines=words.lines,
    compared=words.compared,
    comparison="down {}",
    conclusion=_conclusion,
    by_hand=ByHand(
        "kubectl -n {namespace} delete pod {database}",
        "Post documents meanwhile: each is answered 201, a little late, and arrives below.",
    ),
    experiment=lambda context, tools: Persistence(
        context, tools.pods, tools.reader, tools.writers(context.run.id), tools.view, tools.database
    ),
    recompute=recompute,
    most_members=1,  # of several, another one takes over: the failover demo is about that
)  # fmt: skip
