"""One trial: a machine is made and booted, the README's steps are run on it, and what they left is looked at."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.hosts import disk, plan, readme
from tests.hosts.debian import Debian
from tests.hosts.machine import Done, Machine
from tests.hosts.plan import Step
from tests.hosts.results import FAILED, INCONCLUSIVE, NOT_RUN, OK, REFUSED, Result, StepResult
from tests.trust.runner import commit
from tools.cluster import binary
from tools.cluster.instance import CHECKOUT

TAIL = 5  # lines of a failed step's output
DEMOS = 4  # that make prove runs
VERDICT = re.compile(r"^[\w-]+ (?:PASS|FAIL|INCONCLUSIVE) .*", re.MULTILINE)

Say = Callable[[str], None]


class Trial:
    """The trial of one machine. It can be interrupted: steps that ended are remembered in `directory`."""

    def __init__(self, debian: Debian, machine: Machine, directory: Path, say: Say) -> None:
        self._debian = debian
        self._machine = machine
        self._directory = directory
        self._root = directory.parent / "roots" / debian.suite
        self._record = directory / "trial.json"
        self._say = say
        self._commit = commit()
        self._done: list[StepResult] = []
        self._notes: dict[str, str] = {}

    def run(self) -> Result:
        """Run what is left to run. Raise MachineError if the machine does not boot."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if not self._recall():
            self._make()
        self._boot()
        if "before" not in self._notes:
            self._note("before", self._machine.run(plan.INVENTORY, plan.LIMIT).output)
        for step in plan.steps(readme.blocks((CHECKOUT / "README.md").read_text())):
            if REFUSED in self._outcomes():
                break  # there is nothing to stop, either
            if step.name not in {each.name for each in self._done}:
                self._add(self._run(step))
        self._look_at_rest()
        facts = plan.facts(self._machine.run(plan.FACTS, plan.LIMIT).output)
        return Result(self._debian.name, facts, self._done, time.strftime("%Y-%m-%d"), self._commit, self._emulation())

    def _make(self) -> None:
        self._machine.halt()
        began = time.monotonic()
        disk.make_root(self._debian.suite, self._root)
        builds = [
            binary.ensure(build, self._directory / "build.log", self._say)
            for build in (binary.KUBERNETES, binary.KUBE_ROUTER)
        ]
        disk.configure(self._root, self._debian.name, self._machine.public_key)
        disk.bring(self._root, CHECKOUT, plan.CHECKOUT, builds, plan.CACHE)
        disk.make_disk(self._root, self._machine.disk)
        self._say(f"installed in {time.monotonic() - began:.0f} s")
        self._keep()

    def _boot(self) -> None:
        if not self._machine.runs():
            self._forget_running_deployment()
        self._say(f"booted in {self._machine.boot():.0f} s: {self._machine.login}")

    def _run(self, step: Step) -> StepResult:
        if step.name != "make down" and FAILED in self._outcomes():
            return StepResult(step.name, NOT_RUN, 0.0)
        log = self._directory / f"{re.sub('[^a-z]+', '-', step.name)}.log"
        return outcome(step, self._machine.run(step.script, step.limit, log), self._debian.refusal)

    def _outcomes(self) -> set[str]:
        return {each.outcome for each in self._done}

    def _look_at_rest(self) -> None:
        after = self._machine.run(plan.INVENTORY, plan.LIMIT)
        left = plan.left(self._notes["before"], after.output)
        self._add(StepResult("nothing is left", FAILED if left else OK, after.seconds, "; ".join(left)))

    def _add(self, result: StepResult) -> None:
        self._done.append(result)
        self._keep()
        self._say(f"{result.outcome:12} {result.name}, {result.seconds:.0f} s {result.detail}")

    def _recall(self) -> bool:
        """Read what an interrupted trial of this commit has done. Return False if there is none."""
        try:
            record = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return False
        if record["commit"] != self._commit or any(step["name"] == "nothing is left" for step in record["steps"]):
            return False
        self._done = [StepResult(**step) for step in record["steps"]]
        self._notes = record["notes"]
        return True

    def _forget_running_deployment(self) -> None:
        """A machine that was halted does not run what `make up` had started: start again from there."""
        names = [each.name for each in self._done]
        if "make up" in names and "make down" not in names:
            del self._done[names.index("make up") :]

    def _note(self, name: str, text: str) -> None:
        self._notes[name] = text
        self._keep()

    def _keep(self) -> None:
        steps = [asdict(each) for each in self._done]
        self._record.write_text(json.dumps({"commit": self._commit, "steps": steps, "notes": self._notes}))

    def _emulation(self) -> str:
        return f"QEMU's {self._machine.acceleration}, processor {self._debian.processor}"


def outcome(step: Step, done: Done, refusal: str = "") -> StepResult:
    """Return what became of a step. Pure."""
    if refusal and step.name == "make up":
        reasons = [line for line in done.output.splitlines() if refusal in line]
        word = REFUSED if reasons and done.status != 0 else FAILED
        return StepResult(step.name, word, done.seconds, "".join(reasons) or _tail(done.output))
    if step.name == "make prove":
        lines = VERDICT.findall(done.output)
        return StepResult(step.name, _proof(lines), done.seconds, "; ".join(lines) or _tail(done.output))
    if done.status != 0 or step.expected not in done.output:
        return StepResult(step.name, FAILED, done.seconds, f"status {done.status}: {_tail(done.output)}")
    return StepResult(step.name, OK, done.seconds)


def _proof(lines: list[str]) -> str:
    """Return the outcome of all demos by their lines: make ends with 2, whether a demo failed or was inconclusive."""
    verdicts = [line.split()[1] for line in lines]
    if len(verdicts) < DEMOS or "FAIL" in verdicts:
        return FAILED
    return INCONCLUSIVE if "INCONCLUSIVE" in verdicts else OK


def _tail(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-TAIL:])
