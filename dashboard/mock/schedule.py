"""The schedule of the simulation: a cycle of four minutes, repeated with newly drawn times."""

import random
from collections.abc import Callable

from dashboard.core.targets import Targets
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.pods import MockPods
from dashboard.mock.outage import Outage
from dashboard.mock.traffic import SimulatedTraffic

CYCLE_SECONDS = 240
OUT_OF_MEMORY_CYCLES = 3  # every third cycle begins with a container out of memory

Action = tuple[float, Callable[[], None]]  # second of the cycle, what to do then


class EventSchedule:
    """Runs each action when it is due."""

    def __init__(
        self,
        targets: Targets,
        clock: SimulationClock,
        random: random.Random,
        pods: MockPods,
        traffic: SimulatedTraffic,
        outage: Outage,
    ) -> None:
        self.ended = False  # true: no action runs any more
        self._targets = targets
        self._clock = clock
        self._random = random
        self._pods = pods
        self._traffic = traffic
        self._outage = outage
        self._cycle = -1.0
        self._actions: list[Action] = []  # the rest of this cycle

    def step(self) -> None:
        """Run the actions that are due."""
        cycle, second = divmod(self._clock.simulated, CYCLE_SECONDS)
        if cycle != self._cycle:
            self._cycle, self._actions = cycle, self._new_cycle()
        while not self.ended and self._actions and self._actions[0][0] <= second:
            _, act = self._actions.pop(0)
            act()

    def delete_database(self) -> None:
        for pod in self._pods.of(self._targets.statefulset):
            self._pods.delete(pod, by_owner=False)

    def _new_cycle(self) -> list[Action]:
        uniform = self._random.uniform
        load, outage = uniform(14, 20), uniform(211, 215)
        peak = uniform(295, 325)
        actions: list[Action] = [
            (load, lambda: self._traffic.begin(peak)),
            (load + uniform(72, 80), self.delete_database),
            (load + uniform(94, 100), self._traffic.end),
            (outage, self._outage.begin),
            (outage + uniform(10, 16), self._outage.end),
            (uniform(226, 232), self._replace_companion),
        ]
        if self._cycle % OUT_OF_MEMORY_CYCLES == 0:
            actions.append((uniform(4, 8), self._run_out_of_memory))
        return sorted(actions, key=lambda action: action[0])

    def _run_out_of_memory(self) -> None:
        pod = self._random.choice(self._pods.of(self._targets.deployment))
        self._pods.kill(pod, "OOMKilled")
        self._traffic.forget(pod.uid)
        self._traffic.fail(4)

    def _replace_companion(self) -> None:
        for pod in self._pods.of("companion"):
            self._pods.delete(pod)
