"""The failover demo as data."""

from dashboard.kube.pods.control import CRASH, GRACEFUL
from dashboard.runs.demo import ByHand, Conclusion, Demo, Field, Json, Step
from dashboard.runs.demos.document_fields import DOCUMENT_FIELDS
from dashboard.runs.demos.endings import OPTIONS
from dashboard.runs.demos.failover import words
from dashboard.runs.demos.failover.demo import MEMBERS, Failover
from dashboard.runs.demos.failover.records import recompute

PROVED = (
    " Another member took over, no request failed, and every write that the service had acknowledged was there when all"
    " was read back. No read saw a state before an acknowledged write, but for the moment in which the new primary"
    " learned what was acknowledged. The former one became a member again."
)
WRITERS = "Eight writers posted, replaced and deleted documents without a pause, and two readers read them, while"
NOT_PROVED = "Nothing of the loss of a node, of the network between members, or of two members at once."
HOW_ENDED = {
    GRACEFUL: "the primary's pod was deleted and replaced",
    CRASH: "the primary's mongod was killed with SIGKILL",
}
BY_TURNS = "by turns the primary's pod was deleted and its mongod was killed with SIGKILL"


def _conclusion(options: Json) -> Conclusion:
    kills = options.get("kills")
    several = isinstance(kills, int | float) and kills > 1
    ended = BY_TURNS if several else HOW_ENDED.get(str(options.get("mode")), HOW_ENDED[GRACEFUL])
    return Conclusion(f"{WRITERS} {ended}.{PROVED}", NOT_PROVED)


DEMO = Demo(
    id="failover",
    title="Failover",
    claim="When the primary is lost, another member takes over and nothing is lost",
    takes="one minute",
    sentence="Ends the replica set's primary while eight writers and two readers use the service, then reads every"
    " document back: another member must take over, no request may fail, and no acknowledged write may be lost.",
    steps=(
        Step("preflight", "Check that all members are Ready"),
        Step("warmup", "Write until enough is acknowledged"),
        Step("kill", "End the primary"),
        Step("takeover", "Write on until another member is primary"),
        Step("ready", "Write on until all members are back"),
        Step("after", "Write 10 s more, and a last document"),
        Step("readback", "Read every document back"),
    ),
    options=OPTIONS,
    limits={
        "deadline": 540.0, "ready": 120.0, "warmup": 60.0, "target": 30.0, "takeover": 15.0, "end": 150.0,
        "member": 180.0, "least_after": 10.0, "after": 60.0, "readback": 60.0,
    },
    evidence=(
        Field("mode", "How the primary was ended first"),
        Field("kills", "How often"),
        Field("members", "Members that hold data"),
        Field("attempted", "Writes sent"),
        Field("acked", "of them acknowledged", kept=True),
        Field("unknown", "of them with an outcome that is not known"),
        Field("failed", "Failed requests", kept=True, claim="No request fails"),
        Field("failed_by_kind", "of them by kind"),
        Field("failed_before", "Failed requests before the primary was ended"),
        *(each for each in DOCUMENT_FIELDS if each.name != "stale"),
        Field("stale", "Read as they were before an acknowledged write, also as the primary changed"),
        Field("stale_later", "of them later", claim="No read misses an acknowledged write under a settled primary"),
        Field("acked_before", "Acknowledged before the primary was ended", claim="Enough was written before the kill"),
        Field("acked_after", "Acknowledged under the new primary, at least", claim="Writes go on after it"),
        Field("rate_before", "Acknowledged, just before it was ended", "a second"),
        Field("in_flight", "Under way without a primary, at least", claim="Writes were under way meanwhile"),
        Field("failovers", "Each of them"),
        Field("changes", "Changes of the primary by itself"),
        Field("takeover", "Without a primary, at most", "s", kept=True, claim="A new primary is there in time"),
        Field("resumed", "Until a write was acknowledged again, at most", "s", claim="It takes writes in time"),
        Field("successor", "The primaries", claim="Another member takes over"),
        Field(
            "ready", "Until the former primary was a member again, at most", "s",
            claim="The former primary becomes a member again",
        ),
        Field("longest_write", "Longest write", "s", kept=True),
        Field("scope", "What was survived"),
    ),
    key_figures=words.key_figures,
    lines=words.lines,
    compared=words.compared,
    comparison="a new primary after {}",
    conclusion=_conclusion,
    by_hand=ByHand(
        "kubectl -n {namespace} delete pod {database}",
        "If that was the primary, another member is within seconds. Post documents meanwhile: each is answered 201.",
    ),
    experiment=lambda context, tools: Failover(
        context, tools.pods, tools.reader, tools.writers(context.run.id), tools.view
    ),
    recompute=recompute,
    least_members=MEMBERS,
)  # fmt: skip
