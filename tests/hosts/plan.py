"""The steps of one machine: what the README has its reader run, and what must be left afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from tests.hosts.readme import Block

MINUTE = 60.0
CHECKOUT = "/root/flask-mongodb"
CACHE = "/root/.cache/flask-mongodb"
# Commands of the README that are not run here. They are found by their first words.
LEFT_OUT = {
    "make test": "takes hours on an emulated machine",
    "PROVE_TOKEN=": "has a placeholder for the token; `make prove` runs the same command",
    "ab ": "a load of 90 s says nothing on an emulated machine",
}
PATIENCE = 20  # an emulated processor is about 8 times slower, and shares the real one
LIMITS = {"make up": 90 * MINUTE, "make prove": 90 * MINUTE}
LIMIT = 20 * MINUTE
# What must be in the output, where the exit status alone would not show a failure.
EXPECTED = {"curl": '"_id"', "make up": "dashboard http://127.0.0.1:8080/login#"}


@dataclass(frozen=True)
class Step:
    """Commands that are run in one shell, and what their output must have."""

    name: str
    commands: tuple[str, ...]
    limit: float = LIMIT
    expected: str = ""

    @property
    def script(self) -> str:
        return "\n".join((f"cd {CHECKOUT}", f"export PATIENCE={PATIENCE}", "set -e", *self.commands))


def steps(blocks: Iterable[Block]) -> list[Step]:
    """Return the steps for the commands of a README, in its order, then `make down`. Pure."""
    found = []
    for block in blocks:
        commands = [each for each in block.commands if not each.startswith(tuple(LEFT_OUT))]
        # Each make is a step of its own; what stands between two of them shares a shell, for its variables.
        for _, group in groupby(commands, key=lambda each: each if each.startswith("make ") else ""):
            found.append(_step(tuple(group)))
    return [*found, _step(("make down",))]


def _step(commands: tuple[str, ...]) -> Step:
    name = commands[0] if commands[0].startswith("make ") else _programs(commands)
    return Step(name, commands, LIMITS.get(name, LIMIT), EXPECTED.get(name, ""))


def _programs(commands: tuple[str, ...]) -> str:
    """Return the names of the programs, without repetition: "curl", "kubectl"."""
    first = (each.split()[0] for each in commands if not each.startswith("export "))
    return ", ".join(dict.fromkeys(first))


# Prints a line for everything that a stopped deployment must not leave: processes, mounts, cgroups, links, ports.
# Services and automatic mounts of the system come and go: they are left out.
INVENTORY = r"""
for directory in /proc/[0-9]*; do
  group=$(sed -n 's/^0:://p' "$directory/cgroup" 2>/dev/null) || continue
  case $group in '' | / | /init.scope | /system.slice/*) continue ;; esac
  arguments=$(tr '\0' ' ' <"$directory/cmdline" 2>/dev/null) || continue
  [ -z "$arguments" ] || echo "process $(cut -c 1-120 <<<"$arguments")"
done
findmnt --raw --noheadings --output TARGET | sed 's/^/mount /'
find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d ! -name '*.mount' ! -name '*.slice' | sed 's/^/cgroup /'
ip -oneline link | cut -d ' ' -f 2 | sed 's/^/link /'
ss --listening --tcp --numeric --no-header | awk '{print "port " $4}'
echo "systemd $(systemctl is-system-running)"
"""

# Values of the machine, one a line: name=value.
FACTS = r"""
. /etc/os-release
version() { apt-cache policy "$1" | awk '/Candidate/ {print $2}'; }
echo "system=$PRETTY_NAME"
echo "kernel=$(uname --kernel-release)"
echo "cgroups=$([ -e /sys/fs/cgroup/cgroup.controllers ] && echo 2 || echo 1)"
echo "python=$(python3 --version 2>/dev/null | cut -d ' ' -f 2)"
for package in systemd containerd buildah; do echo "$package=$(version $package)"; done
"""


def left(before: str, after: str) -> list[str]:
    """Return the lines of the second inventory that the first one does not have. Pure."""
    return sorted(set(after.splitlines()) - set(before.splitlines()))


def facts(output: str) -> dict[str, str]:
    """Return the values that FACTS printed. Pure."""
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
