"""The schedule of the simulation: cycles of four minutes, each with slightly different times."""

import random
from collections.abc import Callable

from dashboard.core.snapshot import Targets
from dashboard.mock.clock import SimulationClock
from dashboard.mock.cluster.pods import MockPods
from dashboard.mock.outage import Outage
from dashboard.mock.traffic import SimulatedTraffic

CYCLE_SECONDS = 240
UNLUCKY_CYCLES = 3  # a container runs out of memory in one of so many

Scene = tuple[float, Callable[[], None]]  # second of the cycle, action


class EventSchedule:
    def __init__(
        self,
        targets: Targets,
        clock: SimulationClock,
        random: random.Random,
        pods: MockPods,
        load: SimulatedTraffic,
        failure: Outage,
    ) -> None:
        self.ended = False  # no further scenes
        self._targets = targets
        self._clock = clock
        self._random = random
        self._pods = pods
        self._load = load
        self._failure = failure
        self._cycle = -1.0
        self._scenes: list[Scene] = []  # of this cycle, still to come

    def step(self) -> None:
        """Run the scenes that are due."""
        cycle, second = divmod(self._clock.seconds, CYCLE_SECONDS)
        if cycle != self._cycle:
            self._cycle, self._scenes = cycle, self._new_cycle()
        while not self.ended and self._scenes and self._scenes[0][0] <= second:
            _, happen = self._scenes.pop(0)
            happen()

    def kill_database(self) -> None:
        for pod in self._pods.of(self._targets.statefulset):
            self._pods.end(pod, by_owner=False)

    def _new_cycle(self) -> list[Scene]:
        drawn = self._random.uniform
        load, failure = drawn(14, 20), drawn(211, 215)
        peak = drawn(295, 325)
        scenes: list[Scene] = [
            (load, lambda: self._load.begin(peak)),
            (load + drawn(72, 80), self.kill_database),
            (load + drawn(94, 100), self._load.end),
            (failure, self._failure.begin),
            (failure + drawn(10, 16), self._failure.end),
            (drawn(226, 232), self._replace_companion),
        ]
        if self._cycle % UNLUCKY_CYCLES == 0:
            scenes.append((drawn(4, 8), self._run_out_of_memory))
        return sorted(scenes, key=lambda scene: scene[0])

    def _run_out_of_memory(self) -> None:
        unlucky = self._random.choice(self._pods.of(self._targets.deployment))
        self._pods.run_out_of_memory(unlucky)
        self._load.forget(unlucky.uid)
        self._load.fail(4)

    def _replace_companion(self) -> None:
        for pod in self._pods.of("companion"):
            self._pods.end(pod)
