"""The client's results as JUnit XML and as Markdown: pure functions of runs."""

from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt  # schemathesis brings it along

from dashboard.prove import Outcome, junit, markdown
from dashboard.runs.demos.registry import DEMOS

URL = "https://dashboard.example"
HOSTILE = "a|b\n<img src=x> `c` *d* [e](f) \x1b[31m \x00 $g$ ~~h~~ \\| # @i"

Json = dict[str, Any]


def check(name: str, verdict: str = "pass", reason: str | None = None, claim: str = "") -> Json:
    return {"name": name, "claim": claim or f"The claim of {name}", "verdict": verdict, "reason": reason}


def outcome(verdict: str = "pass", *checks: Json, **fields: Any) -> Outcome:
    run = {
        "id": "persistence-1", "demo": "persistence", "verdict": verdict, "line": f"persistence {verdict.upper()}",
        "reason": None if verdict == "pass" else "The reason.", "options": {"mode": "crash"},
        "started": "2026-11-27T20:00:00.000Z", "ended": "2026-11-27T20:00:41.500Z", "checks": list(checks),
        "evidence": {"lost": 0, "down": 5.6, "pod": {"before": "a", "after": None}, "node": None, "lost_ids": ["x"]},
    }  # fmt: skip
    names = dict(namespace="n", database="d", service="s")
    return Outcome(DEMOS["persistence"].to_json(names), run | fields)


def suites(*outcomes: Outcome) -> ElementTree.Element:
    """Parse the file, and check the shape of Jenkins' junit-10.xsd, which GitHub's reporters and GitLab read, too: the
    attributes and children that each element may have, and totals that agree with the test cases."""
    root = ElementTree.fromstring(junit([*outcomes], URL))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = SHAPE[element.tag]
        assert element.attrib.keys() <= attributes and {child.tag for child in element} <= children, element.tag
    for parent in (root, *root):
        cases = parent.findall(".//testcase")
        found = {total: sum(case.find(tag) is not None for case in cases) for tag, total in TOTALS.items()}
        assert {name: int(parent.get(name, "")) for name in COUNTS} == found | {"tests": len(cases)}
    return root


TOTALS = {"failure": "failures", "error": "errors", "skipped": "skipped"}
COUNTS = {"tests", "failures", "errors", "skipped"}
SHAPE: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", *COUNTS}, {"testsuite"}),
    "testsuite": ({"name", "time", "timestamp", *COUNTS}, {"properties", "testcase", "system-out", "system-err"}),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


def test_pass_is_a_suite_whose_cases_pass_with_their_figures() -> None:
    (suite,) = suites(outcome("pass", check("lost"), check("down")))
    assert (suite.get("name"), suite.get("time")) == ("persistence", "41.500")
    assert suite.get("timestamp") == "2026-11-27T20:00:00"
    names = [case.get("name") for case in suite.findall("testcase")]
    assert names == ["verdict", "The claim of lost", "The claim of down"]
    assert suite.get("tests") == "3" and suite.get("failures") == suite.get("errors") == suite.get("skipped") == "0"
    assert suite.findtext("testcase[3]/system-out") == "Without a database, at most: 5.6 s"


def test_fail_is_a_failure_with_the_sentence_and_the_figures() -> None:
    lost, volume = check("lost", "fail", "3 are lost."), check("volume", "inconclusive")
    (suite,) = suites(outcome("fail", lost, check("down"), volume))
    whole, one = suite.findall("testcase/failure")
    assert (whole.get("message"), one.get("message"), one.get("type")) == ("The reason.", "3 are lost.", "FAIL")
    assert one.text == "3 are lost.\nAcknowledged, and not there afterwards: 0"
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("2", "0", "1")


def test_inconclusive_run_is_one_error_and_shows_no_claim_as_passed() -> None:
    claims = check("lost", "inconclusive"), check("down", "inconclusive", "Not seen.")
    (suite,) = suites(outcome("inconclusive", *claims))
    (error,) = suite.findall("testcase/error")
    assert (error.get("message"), error.get("type")) == ("The reason.", "INCONCLUSIVE")
    assert [each.get("message") for each in suite.findall("testcase/skipped")] == ["", "Not seen."]


def test_demo_without_a_verdict_is_an_error_with_the_problem() -> None:
    _, suite = suites(outcome(), Outcome({"id": "autoscale"}, None, "It does not answer."))
    (error,) = suite.findall("testcase/error")
    assert (suite.get("name"), error.get("message"), suite.get("tests")) == ("autoscale", "It does not answer.", "1")


def test_properties_name_the_run_its_options_and_the_versions() -> None:
    (suite,) = suites(outcome()._replace(versions={"kubernetes": "v1.36.3"}))
    found = {each.get("name"): each.get("value") for each in suite.findall("properties/property")}
    assert found.pop("python")
    assert found == {"run": "persistence-1", "dashboard": URL, "option.mode": "crash", "kubernetes": "v1.36.3"}


@pytest.mark.parametrize("where", ["reason", "line"])
def test_any_text_is_valid_xml(where: str) -> None:
    hostile = outcome("fail", check("lost", "fail", HOSTILE, HOSTILE), **{where: HOSTILE + "\ud800\ufffe"})
    (suite,) = suites(hostile)
    assert len(suite.findall("testcase")) == 2


@pytest.mark.parametrize("field", ["started", "ended", "evidence", "checks", "options", "line"])
def test_run_of_another_version_is_written_with_what_it_has(field: str) -> None:
    fields = {field: None}
    assert len(suites(outcome("fail", **fields))) == 1
    assert markdown(outcome("fail", **fields), URL).startswith("### Persistence: FAIL\n")


def rendered(*outcomes: Outcome) -> ElementTree.Element:
    text = "".join(markdown(each, URL) for each in outcomes)
    html = MarkdownIt("commonmark").enable("table").enable("strikethrough").render(text)
    return ElementTree.fromstring(f"<page>{html}</page>")


def test_summary_has_the_verdict_the_claims_the_figures_and_the_report() -> None:
    page = rendered(outcome("fail", check("lost", "fail", "3 are lost."), check("down")))
    assert page.findtext("h3") == "Persistence: FAIL"
    assert [each.text for each in page.findall("p")][:2] == [DEMOS["persistence"].claim, "The reason."]
    claims, figures = ([[cell.text for cell in row] for row in table.iter("tr")] for table in page.iter("table"))
    assert claims[1:] == [["The claim of lost", "FAIL", "0"], ["The claim of down", "PASS", "5.6 s"]]
    assert ["The database's pod, by uid", "a → -"] in figures
    assert not {"Those that are lost", "The pod's node"} & {label for label, _ in figures}, "a list; unknown"
    assert page.find(".//a").get("href") == f"{URL}/api/runs/persistence-1/report.html"  # type: ignore[union-attr]
    assert page.findtext("pre/code") == "persistence FAIL\n"


def test_no_text_becomes_markup_or_ends_a_table() -> None:
    hostile = check("lost", "fail", HOSTILE, HOSTILE)
    page = rendered(outcome("fail", hostile, check("down"), reason=HOSTILE, line=HOSTILE, evidence={"lost": HOSTILE}))
    assert {each.tag for each in page.iter()} <= {
        "page", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "a",
    }  # fmt: skip
    (table,) = page.iter("table")
    rows = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    assert [len(row) for row in rows] == [3, 3, 3]
    assert rows[1][0] == rows[1][2] == "".join(each if each.isprintable() else " " for each in HOSTILE)


def test_several_summaries_follow_each_other() -> None:
    page = rendered(outcome(), outcome("inconclusive"))
    assert [each.text for each in page.findall("h3")] == ["Persistence: PASS", "Persistence: INCONCLUSIVE"]
