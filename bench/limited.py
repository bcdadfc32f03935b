"""The data service beside its peers, each under the CPU limit of a service pod."""

from bench import comparison, pod
from bench.fake_pods import Say

PLAN = comparison.Plan(
    rows=("shared", "unshared", "one", "mixed", "post"),
    peers=("ours", "sample", "sample-journaled", "fastapi"),
    connections=(8,),
    rounds=3,
    millicpus=pod.MILLICPUS,
)
report = comparison.report


def measure(say: Say) -> comparison.Result:
    if why := pod.limits_missing():
        return comparison.Result(PLAN, skipped=[f"all of it: {why}"])
    return comparison.measure(say, PLAN)
