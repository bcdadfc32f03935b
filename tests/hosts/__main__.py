"""python -m tests.hosts: runs the README on stock Debian machines that QEMU emulates, and writes docs/hosts.md."""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence

from tests.hosts.debian import MACHINES, Debian
from tests.hosts.machine import Machine, MachineError
from tests.hosts.report import report
from tests.hosts.results import Results
from tests.hosts.trial import Trial
from tools.cluster.instance import CHECKOUT, cache_directory

RESULTS = CHECKOUT / "docs" / "hosts.jsonl"
REPORT = CHECKOUT / "docs" / "hosts.md"
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mkfs.ext4": "e2fsprogs",
            "ssh": "openssh-client"}  # fmt: skip


def main() -> int:
    options = _parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if missing := [package for program, package in PROGRAMS.items() if not shutil.which(program)]:
        print(f"Missing Debian packages: {', '.join(missing)}. Install them and retry.", file=sys.stderr)
        return 1
    results = Results(RESULTS)
    if options.report:
        REPORT.write_text(report(results.read()))
        return 0
    try:
        return _try_all(options.machines or list(MACHINES.values()), options, results)
    except MachineError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: the same command continues from here.", file=sys.stderr)
        return 130


def _try_all(machines: Sequence[Debian], options: argparse.Namespace, results: Results) -> int:
    began, status = time.monotonic(), 0
    for debian in machines:
        directory = cache_directory() / "hosts" / debian.name
        machine = Machine(directory, debian.processor, options.acceleration, options.port)

        def say(text: str, name: str = debian.name) -> None:
            print(f"{time.monotonic() - began:7.1f} s  {name}: {text}", flush=True)

        try:
            result = Trial(debian, machine, directory, say).run()
        finally:
            if not options.keep:
                machine.halt()
        results.replace(result)
        REPORT.write_text(report(results.read()))
        status = status if result.ok else 1
    print(f"written: {REPORT.relative_to(CHECKOUT)}")
    return status


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.hosts", description="Run the README on stock Debian machines, emulated by QEMU."
    )
    names = ", ".join(MACHINES)
    parser.add_argument("machines", nargs="*", type=_machine, metavar="MACHINE", help=f"{names} (default: all)")
    parser.add_argument("--acceleration", choices=("tcg", "kvm"), default="tcg", help="kvm needs /dev/kvm")
    parser.add_argument("--port", type=int, default=2222, help="port of 127.0.0.1 for ssh (default: 2222)")
    parser.add_argument("--keep", action="store_true", help="leave the machine running")
    parser.add_argument("--report", action="store_true", help="only write the report")
    return parser.parse_args()


def _machine(name: str) -> Debian:
    if name not in MACHINES:
        raise argparse.ArgumentTypeError(f"{name} is not known: use {', '.join(MACHINES)}")
    return MACHINES[name]


if __name__ == "__main__":
    sys.exit(main())
