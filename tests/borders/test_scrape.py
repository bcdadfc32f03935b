"""The counters that a service pod answers with, from its text to the page."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.core import events
from dashboard.sources.metrics import parse_counters
from tests.borders.cluster import opening
from tests.borders.page import Page

OPENING = opening()
NUMBERS = st.sampled_from([
    "0", "1", "5.0", "-1", "NaN", "+Inf", "-Inf", "1e308", "1e400", "9007199254740993", "9" * 400, "0.005", "0x1", "",
])  # fmt: skip
LABELS = st.sampled_from([
    'route="/data",status="200"', 'route="/data",status="503"', 'route="/healthz",status="200"', "", 'status="\\"',
    "{}", 'le="+Inf"', 'le="0.1",route="/data"', 'le="0.5",route="/data"', 'le="nan"', 'le="-1"', 'le="x"',
    'le="1e400"',
])  # fmt: skip
METRICS = st.sampled_from(["http_requests_total", "http_request_duration_seconds_bucket", "other"])
LINES = st.builds(lambda metric, labels, number: f"{metric}{{{labels}}} {number}", METRICS, LABELS, NUMBERS)
INFINITE = '# TYPE x\nhttp_requests_total{status="200"} 1e308\nhttp_requests_total{status="503"} 1e308'
NEGATIVE = '# TYPE x\nhttp_request_duration_seconds_bucket{le="-Inf"} 1'
TEXTS = st.lists(LINES | st.text(max_size=10), max_size=5).map(lambda lines: "\n".join(["# TYPE x counter", *lines]))


@pytest.mark.slow
@given(st.lists(TEXTS, min_size=2, max_size=4))
@example([INFINITE, INFINITE])
@example([NEGATIVE, NEGATIVE + "0"])
def test_spoiled_counters_are_no_counters(texts: list[str]) -> None:
    page = Page(*OPENING)
    for second, text in enumerate(texts):
        try:
            pods = {"flask-1": parse_counters(text)}
        except ValueError:
            pods = {}
        good = parse_counters(f'# TYPE x\nhttp_requests_total{{route="/data",status="200"}} {10 * second}')
        page.take(events.CountersScraped(at=f"2026-11-24T12:00:0{second}.000Z", pods={**pods, "flask-2": good}))
        page.check()
    rates = {each["name"]: each["requests_per_second"] for each in page.state["pods"]}
    assert rates["flask-2"] == 10.0
    assert page.state["traffic"]["requests_per_second"] >= 10.0
