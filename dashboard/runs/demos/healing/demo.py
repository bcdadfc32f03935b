"""The self-healing demo: delete one of the service's pods, then another one without a grace period."""

from dashboard.runs.context import RunContext
from dashboard.runs.demo import Tools
from dashboard.runs.demos.disruption.observation import Standing, TrialObservations
from dashboard.runs.demos.disruption.trial import Overdue, Trial, audited
from dashboard.runs.verdict import Json, Verdict

AT_ONCE = 0  # seconds of grace


class Healing:
    def __init__(self, context: RunContext, tools: Tools, run: TrialObservations) -> None:
        self._context = context
        self._service = tools.service
        self._trial = Trial(context, tools, run)

    def run(self) -> None:
        try:
            self._trial.check()
            self._trial.warm_up()
            self._trial.disrupt("delete", lambda seen: self._delete(seen, None))
            self._trial.disrupt("kill", lambda seen: self._delete(seen, AT_ONCE))
            self._trial.conclude()
        except Overdue:
            return

    def cleanup(self) -> None:
        self._trial.cleanup()

    def verdict(self, stopped: str | None) -> Verdict:
        return self._trial.verdict(stopped)

    def _delete(self, seen: Standing, grace: int | None) -> Json:
        """Delete the Ready pod that serves the most requests, so that some are in flight in it."""
        pod = max(seen.ready, key=lambda each: each.requests or 0.0)
        about = {"kind": "Pod", "name": pod.name, "uid": pod.uid}
        how = "" if grace is None else f" (grace period {grace} s)"
        audited(
            self._context, f"delete {pod.name}{how}", about, "pod deleted",
            lambda: self._service.delete(pod.name, pod.uid, grace),
        )  # fmt: skip
        self._context.log(f"Deleted{how}: {pod.name}, uid {pod.uid}")
        return {"victim": pod.uid, "name": pod.name}
