"""The fields of the evidence about documents, which all demos with writers have alike."""

from dashboard.runs.demo import Field
from dashboard.runs.workload.judgement.judge import FINDINGS

DOCUMENT_FIELDS = (
    Field("lost", "Acknowledged, and not there afterwards", kept=True, claim="No acknowledged document is lost"),
    Field(
        "stale", "Read as they were before an acknowledged write", claim="No read misses an acknowledged write"
    ),
    Field("regressed", "There in an older version", claim="No acknowledged replacement goes back"),
    Field("resurrected", "There after their acknowledged deletion", claim="No deleted document returns"),
    Field("corrupt", "There with another content", claim="Every document has the content that was written"),
    Field("unexpected", "There, and never sent", claim="No document is there that nobody wrote"),
    Field("recovered", "Changed by a write that was never acknowledged"),
    *(Field(f"{name}_ids", f"Those that are {name}") for name in FINDINGS),
    Field("reads", "Reads answered during the run"),
    Field("stable", "Documents that these showed, always rightly"),
    Field("never_read", "Acknowledged documents that only the read-back read"),
    Field("coverage", "What the run has seen", claim="The run has seen what a proof needs"),
)  # fmt: skip

WRONG = ("corrupt", "unexpected", "stale", "regressed", "resurrected")  # shown if there are any
