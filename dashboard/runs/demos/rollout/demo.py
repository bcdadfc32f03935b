"""The rollout demo: roll the service's pods forward and back, as `kubectl rollout restart` and `undo` do."""

from dashboard.core.deployment.deployed import Deployed
from dashboard.runs.context import RunContext
from dashboard.runs.demo import Tools
from dashboard.runs.demos.disruption.observation import Standing, TrialObservations
from dashboard.runs.demos.disruption.trial import Overdue, Trial, audited
from dashboard.runs.verdict import Json, Verdict


class Rollout:
    def __init__(self, context: RunContext, tools: Tools, run: TrialObservations) -> None:
        self._context = context
        self._service = tools.service
        self._trial = Trial(context, tools, run)
        self._former: Deployed | None = None  # before the roll-out
        self._ours: Deployed | None = None  # with the roll-out's template

    def run(self) -> None:
        try:
            self._trial.check()
            self._trial.warm_up()
            self._trial.disrupt("restart", self._restart)
            self._trial.disrupt("undo", self._undo)
            self._trial.conclude()
        except Overdue:
            return

    def cleanup(self) -> None:
        """A roll-out that an abort left goes on by itself: its template is the same but for an annotation."""
        self._trial.cleanup()

    def verdict(self, stopped: str | None) -> Verdict:
        return self._trial.verdict(stopped)

    def _restart(self, seen: Standing) -> Json:
        found = self._service.read()
        self._former, self._ours = audited(
            self._context, f"roll out {found.name}", _about(found), "roll-out",
            lambda: self._service.restart(self._context.clock.now()),
        )  # fmt: skip
        return {"template_before": self._former.digest, "template_after": self._ours.digest}

    def _undo(self, seen: Standing) -> Json:
        former, ours = self._former, self._ours
        if former is None or ours is None:
            return {}
        before, after = audited(
            self._context, f"roll back {ours.name}", _about(ours), "roll-back", lambda: self._service.undo(former, ours)
        )
        return {"template_before": before.digest, "template_after": after.digest}


def _about(deployed: Deployed) -> Json:
    return {"kind": "Deployment", "name": deployed.name, "uid": deployed.uid}
