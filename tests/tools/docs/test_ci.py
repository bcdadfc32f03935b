"""docs/ci.md: its jobs call what exists, and its tables have the names and numbers of the programs."""

import re
from math import ceil
from typing import Any

import yaml

from dashboard.core.state.confidence import upper_bound
from dashboard.prove import _parse
from tools.cluster.instance import CHECKOUT

TEXT = (CHECKOUT / "docs" / "ci.md").read_text()
RULES = CHECKOUT / "k8s" / "components" / "monitoring" / "rules" / "verdict.yaml"


def jobs() -> tuple[Any, Any, Any]:
    """Return GitHub's workflow, GitLab's jobs and the components."""
    github, gitlab, components = (yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
    return github, gitlab, components


def test_jobs_keep_the_files_that_the_program_writes() -> None:
    github, gitlab, _ = jobs()
    steps = {step.get("name"): step for step in github["jobs"]["prove"]["steps"]}
    assert steps["Keep the reports"]["if"] == steps["Show each claim"]["if"] == "always()"
    (script,) = gitlab["prove"]["script"]
    options = _parse([*script.replace('"$DASHBOARD_URL"', "http://a").split()[3:], "--token", "t"])
    junit = gitlab["prove"]["artifacts"]["reports"]["junit"]
    assert options.junit == junit == steps["Show each claim"]["with"]["report_paths"]
    assert junit in (CHECKOUT / "tools" / "deploy" / "prove").read_text()
    assert gitlab["prove"]["artifacts"]["when"] == "always"
    assert gitlab["prove"]["allow_failure"] == {"exit_codes": [2]}


def test_commands_and_components_exist() -> None:
    targets = re.findall(r"^\.PHONY: (\w+)", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert {*re.findall(r"make ([a-z]+)\b(?= CLUSTER|`)", TEXT)} <= {*targets}
    for component in jobs()[2]["components"]:
        assert (CHECKOUT / "k8s" / "overlays" / "embedded" / component / "kustomization.yaml").exists()


def test_alerts_are_those_of_the_rules() -> None:
    rules = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert re.findall(r"^\| `(Claim\w+)`", TEXT, re.MULTILINE) == rules


def test_table_of_runs_has_the_bounds_rounded_up() -> None:
    runs, bounds = (re.search(rf"^\| {head}.*$", TEXT, re.MULTILINE) for head in ("passed, of as many", "fewer than …"))
    assert runs and bounds
    numbers = [int(each) for each in re.findall(r"\d+", runs[0])]
    assert [int(each) for each in re.findall(r"\d+", bounds[0])] == [ceil(100 * upper_bound(each)) for each in numbers]
    assert ceil(100 * upper_bound(20, 1)) == 22
