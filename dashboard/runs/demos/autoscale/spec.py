"""The autoscale demo as data."""

from dashboard.load.options import LEAST_RATE, MOST_RATE
from dashboard.runs.demo import ByHand, Conclusion, Demo, Field, Number, Step
from dashboard.runs.demos.autoscale import words
from dashboard.runs.demos.autoscale.demo import Autoscaling
from dashboard.runs.demos.autoscale.recompute import recompute

CONCLUSION = Conclusion(
    "Load over the CPU target made the autoscaler ask for more pods. They became Ready, took their share of the"
    " requests, and all was steady. After the load the pods were removed again, down to as many as before. At most one"
    " request in a thousand failed.",
    "That these pods hold any other load, or that the autoscaler takes as much time as its windows and policies say:"
    " only that it takes no more. The requests are reads of one kind, at a rate that needs more than the minimum and no"
    " more than the maximum of pods.",
)


def _moment(name: str, words: str, kept: bool = False) -> Field:
    """A moment is a figure, in seconds from t0, and that it comes is a claim."""
    return Field(name, f"{name}: {words}", "s", kept, claim=f"{name}: {words}")


DEMO = Demo(
    id="autoscale",
    title="Autoscaling",
    claim="The autoscaler follows the load, up and down",
    takes="4 minutes",
    sentence="Loads the service over its CPU target until the autoscaler has added pods and all is steady, then stops"
    " the load and waits until the pods are removed.",
    steps=(
        Step("preflight", "Check that the autoscaler can act"),
        Step("settle", "Wait until it has settled"),
        Step("load", "Raise the load until new pods serve"),
        Step("steady", "Load on until all is steady"),
        Step("unload", "Stop, and wait until it is back"),
    ),
    options=(Number("rate", LEAST_RATE, MOST_RATE, "requests a second"),),
    limits={"deadline": 5400.0, "sources": 30.0, "figures": 240.0, "settle": 1800.0, "self-test": 180.0},
    evidence=(
        Field("min", "Pods at rest"),
        Field("start", "Pods when the load began", kept=True),
        Field("peak", "Pods at most", kept=True),
        Field("target", "CPU target"),
        Field("rate", "Requests a second in the end", "a second"),
        Field("rates", "Requests a second that were sent, from t0 on"),
        Field("cost_millicores", "CPU of a request a second"),
        Field("background_millicores", "CPU in use before the load"),
        Field("offered", "Requests to be sent"),
        Field("achieved", "of them answered"),
        Field("errors", "of them failed", claim="At most one request in a thousand failed"),
        Field("errors_by_kind", "Failed requests by kind"),
        Field("dropped", "never sent, for want of connections"),
        Field("lag_p99_ms", "Sent late, 99th percentile", "ms", claim="The load generator was on time"),
        Field("cpu_percent", "CPU of the load generator, of one core", "%"),
        Field("resolution", "Between two CPU samples of a pod", "s"),
        Field("owed", "Obligations", claim="Whatever the autoscaler owed came in time"),
        Field("t0", "t0: the load begins", "s"),
        _moment("t1", "a CPU sample is over the target"),
        _moment("t2", "more pods are desired", kept=True),
        _moment("t3", "the first new pod is Ready"),
        _moment("t4", "it serves"),
        _moment("t5", "all is steady"),
        _moment("t6", "the load ends", kept=True),
        _moment("t7", "fewer pods are desired"),
        _moment("t8", "back at the minimum", kept=True),
    ),
    key_figures=words.key_figures,
    lines=words.lines,
    compared=words.compared,
    comparison="{} to more pods",
    conclusion=lambda options: CONCLUSION,
    by_hand=ByHand(
        "ab -t 90 -n 1000000 -c 100 {service}/",
        "The first sample over the target takes about 20 seconds. The charts above show it, and the autoscaler panel"
        " shows the next change.",
    ),
    experiment=lambda context, tools: Autoscaling(context, tools.load, tools.view, tools.deployment),
    recompute=recompute,
)
