"""The steps of a trial, and the comparison of what was there before and after."""

import subprocess

import pytest

from tests.hosts import plan
from tests.hosts.readme import Block, blocks
from tools.cluster.instance import CHECKOUT


def names(*commands: str) -> list[str]:
    return [step.name for step in plan.steps([Block("", commands)])]


def test_each_make_is_a_step_and_commands_between_share_a_shell() -> None:
    assert names("make up", "export A=1", "curl a", "curl b", "ls $A", "make prove") == [
        *("make up", "curl, ls", "make prove", "make down"),
    ]  # fmt: skip


def test_commands_of_two_blocks_do_not_share_a_shell() -> None:
    steps = plan.steps([Block("", ("curl a",)), Block("", ("ls",))])
    assert [step.commands for step in steps] == [("curl a",), ("ls",), ("make down",)]


@pytest.mark.parametrize("command", plan.LEFT_OUT)
def test_left_out_command_is_no_step(command: str) -> None:
    assert names(f"{command}x") == ["make down"]


def test_every_left_out_command_is_in_the_readme() -> None:
    commands = [command for block in blocks((CHECKOUT / "README.md").read_text()) for command in block.commands]
    for left_out in plan.LEFT_OUT:
        assert any(command.startswith(left_out) for command in commands)


def test_step_names_of_the_readme_are_unique() -> None:
    steps = [step.name for step in plan.steps(blocks((CHECKOUT / "README.md").read_text()))]
    assert len(set(steps)) == len(steps)


def test_only_new_lines_are_left() -> None:
    assert plan.left("mount /\nport 22\n", "port 22\nmount /\nmount /run/node\n") == ["mount /run/node"]


def test_facts_are_read_by_name() -> None:
    assert plan.facts("noise\nsystem=Debian = 13\npython=\n") == {"system": "Debian = 13", "python": ""}


@pytest.mark.parametrize("script", [plan.INVENTORY, plan.FACTS])
def test_script_is_valid_shell(script: str) -> None:
    assert subprocess.run(("bash", "-n"), input=script, text=True).returncode == 0
