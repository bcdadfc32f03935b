"""A third demo, which touches nothing but itself: it is registered by the test alone."""

from dashboard.runs.context import RunContext
from dashboard.runs.demo import ByHand, Claim, Demo, Field, Json, Number, Step, Tools
from dashboard.runs.verdict import Verdict


class Patience:
    """Waits so long, and passes if the context's clock says so."""

    def __init__(self, context: RunContext, tools: Tools) -> None:
        self._context = context
        self._view = tools.view
        self._waited: float | None = None

    def run(self) -> None:
        began = self._context.clock.monotonic()
        self._context.begin_step("wait")
        self._context.sleep(float(self._context.run.options.get("seconds") or 1.0))
        self._waited = round(self._context.clock.monotonic() - began, 1)
        self._context.finish()

    def cleanup(self) -> None:
        """It started nothing."""

    def verdict(self, stopped: str | None) -> Verdict:
        word = "inconclusive" if stopped else "pass"
        return Verdict(word, stopped, {"waited": self._waited}, f"patience {word.upper()} waited={self._waited}")


def _key_figures(evidence: Json) -> list[str]:
    return [] if evidence.get("waited") is None else [f"waited {evidence['waited']:.0f} s"]


DEMO = Demo(
    id="patience",
    title="Patience",
    claim="Time passes",
    takes="a second",
    sentence="Waits, and looks at the clock.",
    steps=(Step("wait", "Wait"),),
    options=(Number("seconds", 1.0, 60.0, "seconds"),),
    limits={"deadline": 120.0},
    evidence=(Field("waited", "How long it waited", "s", kept=True),),
    key_figures=_key_figures,
    lines=lambda evidence: [_key_figures(evidence)],
    compared=lambda evidence: evidence.get("waited"),
    comparison="waited {}",
    claims=lambda options: Claim("That time passed.", "Nothing of tomorrow."),
    by_hand=ByHand("sleep 1", "Look at the clock."),
    experiment=Patience,
)
