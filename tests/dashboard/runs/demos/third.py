"""An example of a demo, which uses only its context. Only tests register it."""

from dashboard.runs.context import RunContext
from dashboard.runs.demo import ByHand, Conclusion, Demo, Field, Json, Number, Step, Tools
from dashboard.runs.verdict import Verdict


class Sleep:
    """Sleeps, and passes once the context's clock has advanced."""

    def __init__(self, context: RunContext, tools: Tools) -> None:
        self._context = context
        self._view = tools.view
        self._slept: float | None = None

    def run(self) -> None:
        began = self._context.clock.monotonic()
        self._context.begin_step("sleep")
        self._context.sleep(float(self._context.run.options.get("seconds") or 1.0))
        self._slept = round(self._context.clock.monotonic() - began, 1)
        self._context.finish()

    def cleanup(self) -> None:
        """Nothing was started."""

    def verdict(self, stopped: str | None) -> Verdict:
        verdict = "inconclusive" if stopped else "pass"
        return Verdict(verdict, stopped, {"slept": self._slept}, f"sleep {verdict.upper()} slept={self._slept}")


def _key_figures(evidence: Json) -> list[str]:
    return [] if evidence.get("slept") is None else [f"slept {evidence['slept']:.0f} s"]


DEMO = Demo(
    id="sleep",
    title="Sleep",
    claim="Time passes",
    takes="a second",
    sentence="Sleeps, and reads the clock.",
    steps=(Step("sleep", "Sleep"),),
    options=(Number("seconds", 1.0, 60.0, "seconds"),),
    limits={"deadline": 120.0},
    evidence=(Field("slept", "Duration of the sleep", "s", kept=True),),
    key_figures=_key_figures,
    lines=lambda evidence: [_key_figures(evidence)],
    compared=lambda evidence: evidence.get("slept"),
    comparison="slept {}",
    conclusion=lambda options: Conclusion("Time has passed.", "That time will pass."),
    by_hand=ByHand("kubectl -n {namespace} exec deployment/{deployment} -- sleep 1", "Read the clock."),
    experiment=Sleep,
)
