"""Names across the programs."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("service", "dashboard", "webserver", "tools", "bench")
PAGE = ROOT / "static" / "js"
CLASS = re.compile(r"^(?:export )?class (\w+)", re.MULTILINE)


def repeated(names: Counter[str]) -> list[str]:
    return [name for name, times in names.items() if times > 1]


def test_a_class_name_means_one_thing() -> None:
    names = Counter(
        node.name
        for program in PROGRAMS
        for path in (ROOT / program).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert names.total() > 300
    assert repeated(names) == []


def test_a_class_name_means_one_thing_on_the_page() -> None:
    names = Counter(name for path in PAGE.rglob("*.js") for name in CLASS.findall(path.read_text()))
    assert names.total() > 30
    assert repeated(names) == []
