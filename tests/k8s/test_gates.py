"""What checkov and kube-score find in the rendered manifests: nothing but the exceptions, which are annotated there.

    checkov.io/skip<n>: <check>=<reason>
    kube-score/ignore: <check>, <check>      the reasons are in a comment beside it

An exception is for one object. One that is no longer needed fails, too.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.manifests import Json, parse
from tools.cluster import binary
from tools.cluster.instance import CHECKOUT, cache_directory
from tools.vulnerabilities.judges import JUDGES

pytestmark = [pytest.mark.kubectl, pytest.mark.soak]

CHECKOV = CHECKOUT / ".venv" / "checkov" / "bin" / "checkov"
SKIP = "checkov.io/skip"
IGNORE = "kube-score/ignore"
PASSED = 10  # kube-score's best grade


@pytest.fixture(scope="session")
def kube_score() -> Path:
    return binary.ensure(JUDGES, cache_directory() / "judges.log", print) / "kube-score"


def annotations(each: Json) -> dict[str, str]:
    found: dict[str, str] = each["metadata"].get("annotations", {})
    return found


def test_checkov_finds_nothing(rendered: str, tmp_path: Path) -> None:
    report = checkov(parse(rendered), tmp_path)
    assert report["summary"]["failed"] == report["summary"]["parsing_errors"] == 0, failed(report)
    assert report["summary"]["passed"] > 200


def test_checkov_needs_each_exception_and_each_has_a_reason(objects: list[Json], tmp_path: Path) -> None:
    exceptions = set()
    for each in objects:
        name = f"{each['kind']}.{each['metadata'].get('namespace')}.{each['metadata']['name']}"
        for key, value in annotations(each).items():
            if key.startswith(SKIP):
                check, _, reason = value.partition("=")
                assert len(reason.split()) > 3, value
                exceptions.add((check, name))
    assert failed(checkov([without_annotations(each) for each in objects], tmp_path)) == exceptions


def test_kube_score_finds_nothing(rendered: str, kube_score: Path) -> None:
    passed, findings = score(kube_score, rendered)
    assert findings == set()
    assert passed > 60


def test_kube_score_needs_each_exception(rendered: str, objects: list[Json], kube_score: Path) -> None:
    exceptions = {
        (check.strip(), each["kind"], each["metadata"]["name"])
        for each in objects
        for check in annotations(each).get(IGNORE, "").split(",")
        if check
    }
    assert score(kube_score, rendered, "--disable-ignore-checks-annotations")[1] == exceptions


def checkov(objects: list[Json], directory: Path) -> Any:
    """Return checkov's report."""
    assert CHECKOV.exists(), "checkov is missing: `make gates` installs it"
    file = directory / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    options = ("--framework", "kubernetes", "--skip-download", "--quiet", "--output", "json")
    done = subprocess.run((CHECKOV, *options, "--file", file), capture_output=True, text=True)
    return json.loads(done.stdout)


def failed(report: Any) -> set[tuple[str, str]]:
    return {(each["check_id"], each["resource"]) for each in report["results"]["failed_checks"]}


def without_annotations(each: Json) -> Json:
    return each | {"metadata": {key: value for key, value in each["metadata"].items() if key != "annotations"}}


def score(kube_score: Path, rendered: str, *options: str) -> tuple[int, set[tuple[str, str, str]]]:
    """Return how many of kube-score's checks passed, and (check, kind, name) of each warning and each critical one."""
    command = (kube_score, "score", "--output-format", "json", "--kubernetes-version", version(), *options, "-")
    done = subprocess.run(command, input=rendered, capture_output=True, text=True)
    judged = [
        (check["check"]["id"], each["type_meta"]["kind"], each["object_meta"]["name"], check["grade"])
        for each in json.loads(done.stdout)
        for check in each["checks"]
        if not check["skipped"]
    ]
    passed = [grade for *_, grade in judged if grade == PASSED]
    return len(passed), {(check, kind, name) for check, kind, name, grade in judged if grade < PASSED}


def version() -> str:
    return ".".join(binary.KUBERNETES.version.split(".")[:2])
