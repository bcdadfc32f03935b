"""The names of the sources."""

import json
from pathlib import Path

from dashboard.config import DashboardConfig
from dashboard.core.timeline.changes import SOURCE_WORDS
from dashboard.parts.cluster import source_names

WORDS = json.loads((Path(__file__).parents[2] / "cases" / "source_words.json").read_text())  # the page's tests have it


def test_timeline_and_page_call_each_source_by_the_same_word() -> None:
    names = source_names(DashboardConfig("", "", "", prometheus_url="http://prometheus:9090"), None)
    assert {name: SOURCE_WORDS.get(name, name) for name in names} == WORDS
    assert SOURCE_WORDS.keys() <= WORDS.keys()
