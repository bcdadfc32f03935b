"""Known vulnerabilities of everything that is pinned: `python -m tools.vulnerabilities` asks the databases about it.

Exit status: 0 if all answered and know none, 1 if one knows any, 2 if none does, but not all answered.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tools.cluster import binary
from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT, cache_directory
from tools.deploy import images
from tools.vulnerabilities.judges import JUDGES

REQUIREMENTS = ("requirements.txt", "tests/k8s/requirements-checkov.txt", "bench/requirements-peers.txt")
NPM_PACKAGES = "tests/js"  # the page's own libraries are among them
LIMIT = 600.0  # seconds for one answer

NONE_KNOWN, VULNERABLE, UNANSWERED = 0, 1, 2


class Unanswered(Exception):
    """A database did not answer, or not about everything. The message has the reason."""


@dataclass(frozen=True)
class Question:
    """A question: its subject, the command that asks, and the function that reads its status and output."""

    subject: str
    command: tuple[str, ...]
    read: Callable[[int, str], list[str]]
    environment: dict[str, str] | None = None


def main() -> int:
    return audit(_questions())


def audit(questions: Iterable[Question]) -> int:
    """Ask and print each answer. Return the exit status."""
    known = answered = unanswered = 0
    for question in questions:
        try:
            found = ask(question)
        except Unanswered as reason:
            unanswered += 1
            print(f"{question.subject}: NOT ANSWERED: {reason}", flush=True)
        else:
            answered += 1
            known += len(found)
            print(f"{question.subject}: {', '.join(found) or 'none known'}", flush=True)
    print(f"{known} known vulnerabilities in {answered} answers; {unanswered} questions were not answered")
    return VULNERABLE if known else UNANSWERED if unanswered else NONE_KNOWN


def ask(question: Question) -> list[str]:
    """Return the known vulnerabilities. Raise Unanswered."""
    try:
        done = subprocess.run(
            question.command, cwd=CHECKOUT, env=question.environment, capture_output=True, text=True, timeout=LIMIT
        )
    except FileNotFoundError:
        raise Unanswered(f"{question.command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Unanswered(f"no answer within {LIMIT:.0f} s") from None
    try:
        return question.read(done.returncode, done.stdout)
    except (ValueError, LookupError, TypeError):  # no report
        last = (done.stderr.strip().splitlines() or ["no error message"])[-1]
        raise Unanswered(f"{last[:200]}") from None


def read_pip_audit(_status: int, output: str) -> list[str]:
    """Return "package version: ids" of a report as JSON. Pure.

    pip-audit succeeds where its database knows none of the packages: it skips them.
    """
    packages = json.loads(output)["dependencies"]
    asked = [package for package in packages if "skip_reason" not in package]
    found = [
        f"{package['name']} {package['version']}: {' '.join(each['id'] for each in package['vulns'])}"
        for package in asked
        if package["vulns"]
    ]
    if not found and (not asked or len(asked) < len(packages)):
        raise Unanswered(f"{len(packages) - len(asked)} of {len(packages)} packages were skipped")
    return found


def read_npm_audit(_status: int, output: str) -> list[str]:
    """Return "package: severity" of a report as JSON. Pure."""
    report = json.loads(output)
    if "vulnerabilities" not in report:
        raise Unanswered(report["message"])
    return [f"{name}: {each['severity']}" for name, each in report["vulnerabilities"].items()]


def read_govulncheck(status: int, output: str) -> list[str]:
    """Return the ids in a report as text; its status is 3 if there are any. Pure."""
    if status not in (0, 3):
        raise ValueError(status)
    found = re.findall(r"^Vulnerability #\d+: (\S+)", output, re.MULTILINE)
    if bool(found) != (status == 3):
        raise ValueError(output)
    return found


def _questions() -> Iterator[Question]:
    command: tuple[str, ...]
    for file in REQUIREMENTS:
        # OSV: with the other database, a package index without that database leaves out every package.
        options = ("--require-hashes", "--disable-pip", "--vulnerability-service", "osv", "--format", "json")
        command = (sys.executable, "-m", "pip_audit", "--requirement", file, *options, "--progress-spinner", "off")
        yield Question(f"Python packages of {file}", command, read_pip_audit)
    command = ("npm", "audit", "--json", "--package-lock-only", "--prefix", NPM_PACKAGES)
    yield Question(f"npm packages of {NPM_PACKAGES}", command, read_npm_audit)


    environment, govulncheck = None, "govulncheck"
    try:
        environment = binary.environment()
        govulncheck = str(binary.ensure(JUDGES, cache_directory() / "judges.log", print) / "govulncheck")
    except ClusterError as error:
        print(error)  # the answer to each question is that it is not installed
    for build in (binary.KUBERNETES, binary.KUBE_ROUTER, images.PROMETHEUS_BUILD, JUDGES):
        tags = (f"-tags={','.join(build.tags)}",) if build.tags else ()
        # Only packages that are compiled in count. Which functions are called is not asked: for Kubernetes, that takes
        # more memory than most machines have.
        command = (govulncheck, "-C", str(build.sources), "-scan", "package", *tags, *build.packages.values())
        yield Question(f"Go modules of {build.name}", command, read_govulncheck, environment)


if __name__ == "__main__":
    sys.exit(main())
