"""Names across the programs."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("service", "dashboard", "webserver", "tools", "bench")


def test_a_class_name_means_one_thing() -> None:
    names = Counter(
        node.name
        for program in PROGRAMS
        for path in (ROOT / program).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert names.total() > 300
    assert [name for name, times in names.items() if times > 1] == []
