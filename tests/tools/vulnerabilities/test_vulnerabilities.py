"""The audit's answers: what is known, and what could not be asked, which is never taken for fine."""

import json
import sys

import pytest

from tools.vulnerabilities.__main__ import (
    NONE_KNOWN,
    UNANSWERED,
    VULNERABLE,
    Question,
    Unanswered,
    ask,
    audit,
    read_govulncheck,
    read_npm_audit,
    read_pip_audit,
)

CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
VULNERABLE_PACKAGE = {"name": "werkzeug", "version": "0.1", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
SKIPPED = {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited: flask (3.1.3)"}


def pip_report(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def question(output: str, status: int = 0, read: object = read_pip_audit) -> Question:
    """A question whose command prints `output`."""
    command = (sys.executable, "-c", f"import sys; print({output!r}); sys.exit({status})")
    return Question("packages", command, read)  # type: ignore[arg-type]


def test_vulnerable_python_package_is_named_with_its_ids() -> None:
    assert read_pip_audit(1, pip_report(CLEAN, VULNERABLE_PACKAGE)) == ["werkzeug 0.1: PYSEC-1 PYSEC-2"]
    assert read_pip_audit(1, pip_report(SKIPPED, VULNERABLE_PACKAGE)) == ["werkzeug 0.1: PYSEC-1 PYSEC-2"]
    assert read_pip_audit(0, pip_report(CLEAN)) == []


@pytest.mark.parametrize("packages", [(), (CLEAN, SKIPPED)])
def test_skipped_python_package_is_unanswered_though_pip_audit_succeeds(packages: tuple[object, ...]) -> None:
    with pytest.raises(Unanswered):
        read_pip_audit(0, pip_report(*packages))


def test_vulnerable_npm_package_is_named_with_its_severity() -> None:
    report = {"auditReportVersion": 2, "vulnerabilities": {"uplot": {"name": "uplot", "severity": "high"}}}
    assert read_npm_audit(1, json.dumps(report)) == ["uplot: high"]
    assert read_npm_audit(0, json.dumps({"auditReportVersion": 2, "vulnerabilities": {}})) == []


def test_registry_without_npm_audit_is_unanswered() -> None:
    with pytest.raises(Unanswered, match="405"):
        read_npm_audit(1, json.dumps({"message": "405 Method Not Allowed", "statusCode": 405}))


def test_vulnerable_go_module_is_named_by_its_id() -> None:
    report = "=== Package Results ===\n\nVulnerability #1: GO-2099-0001\n    Made up\n  Module: example.org/x\n"
    assert read_govulncheck(3, report) == ["GO-2099-0001"]
    assert read_govulncheck(0, "No vulnerabilities found.\n") == []


@pytest.mark.parametrize(
    "unclear",
    [
        question("", status=1),
        question("Traceback", status=1),
        question("[]"),
        question("{}", read=read_npm_audit),
        question("", status=1, read=read_govulncheck),
        question("another report", status=3, read=read_govulncheck),
        Question("packages", ("no-such-program",), read_npm_audit),
    ],
)
def test_command_without_a_report_is_unanswered(unclear: Question) -> None:
    with pytest.raises(Unanswered):
        ask(unclear)


@pytest.mark.parametrize(
    ("packages", "status"),
    [
        ([CLEAN], NONE_KNOWN),
        ([CLEAN, None], UNANSWERED),
        ([VULNERABLE_PACKAGE], VULNERABLE),
        ([None, VULNERABLE_PACKAGE, None], VULNERABLE),
    ],
)
def test_status_tells_vulnerable_from_unanswered_from_none_known(packages: list[object], status: int) -> None:
    assert audit(question(pip_report(each) if each else "") for each in packages) == status
    assert {NONE_KNOWN, UNANSWERED, VULNERABLE} == {0, 1, 2}
