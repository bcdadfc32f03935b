"""The contract of this project's own data service."""

from pathlib import Path

from dashboard.target.contract import Contract
from dashboard.target.validation import parse


def own() -> Contract:
    return parse(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
