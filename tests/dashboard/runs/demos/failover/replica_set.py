"""A replica set of three in virtual time: the harness's Pods and Reader."""

from msgspec.structs import replace

from dashboard.core.errors import NotFound, UidMismatch
from dashboard.kube.pods.control import PodIdentity
from dashboard.runs.workload.primary import Primary
from tests.dashboard.runs.harness import RunHarness

NAMES = ("mongodb-0", "mongodb-1", "mongodb-2")


class ReplicaSet:
    """Its attributes are the faults that tests set."""

    def __init__(self, harness: RunHarness, names: tuple[str, ...] = NAMES) -> None:
        self.harness = harness
        self.pods = {name: PodIdentity(name, f"uid-{name}", f"container-{name}", "node-1", True) for name in names}
        self.current: str | None = names[0]  # the primary
        self.kills: list[tuple[str, str]] = []  # (pod, mode)
        self.handover_seconds = 0.0  # that the primary goes on for, once it is told to end
        self.takeover_seconds: float | None = 1.5  # None: nobody takes over
        self.ready_seconds: float | None = 12.0  # until the former primary is a member; None: never
        self.former_again = False  # whether the former primary is primary again, and no other member
        self._elections = 0
        harness.cluster.pod = self.pod  # type: ignore[method-assign]
        harness.cluster.kill = self.kill  # type: ignore[method-assign]
        harness.reader.primary = self.primary  # type: ignore[method-assign]

    def pod(self, name: str) -> PodIdentity:
        if name not in self.pods:
            raise NotFound(f"There is no pod {name} now.")
        return self.pods[name]

    def primary(self) -> Primary | None:
        if self.current is None or self.harness.cluster.process is None:
            return None
        return Primary(self.harness.cluster.process, self.current, (*self.pods,))

    def kill(self, name: str, uid: str, mode: str) -> None:
        pod = self.pod(name)
        if pod.uid != uid:
            raise UidMismatch(f"The pod {name} has another uid now.")
        self.kills.append((name, mode))
        self._elections += 1
        self.pods[name] = replace(pod, ready=False)
        if self.handover_seconds:
            self.harness.clock.after(self.handover_seconds, self._hand_over)
        else:
            self._hand_over()
        container = f"{pod.container}-{self._elections}"
        new = replace(pod, container=container, uid=pod.uid if mode == "crash" else f"{pod.uid}-{self._elections}")
        if self.takeover_seconds is not None:
            self.harness.clock.after(self.handover_seconds + self.takeover_seconds, lambda: self._elect(name))
        if self.ready_seconds is not None:
            self.harness.clock.after(self.handover_seconds + self.ready_seconds, lambda: self.pods.update({name: new}))

    def _hand_over(self) -> None:
        self.current = self.harness.cluster.process = None

    def _elect(self, former: str) -> None:
        others = [name for name in self.pods if name != former]
        self.current = former if self.former_again else others[0]
        self.harness.cluster.process = f"elected-{self._elections}"
