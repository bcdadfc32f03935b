"""The trial of a contract: it finds what a service breaks, and nothing on services that keep to theirs."""

import json
from pathlib import Path
from threading import Event

import pytest

from dashboard import prove
from dashboard.dataservice.http_client import HttpClient
from dashboard.target.client import ServiceClient
from dashboard.target.contract import Contract
from dashboard.target.own import own
from dashboard.target.trial import Checked, ContractTrial
from dashboard.target.validation import parse
from tests.dashboard.stubs import StubServer
from tests.dashboard.target import notes
from tests.dashboard.target.notes import CONTRACT, SECRETS, Notes
from tests.dashboard.target.test_target import SERVICE, TWO_ROUTES, WHOLE
from tests.service.process import ServiceProcess
from tools.local.mongod import Mongod, free_port


class WithoutTokens(Notes):
    """It asks nobody for a token."""

    def do_PUT(self) -> None:
        self.headers.add_header("Authorization", f"Bearer {SECRETS['token']}")
        super().do_PUT()


def trial(contract: Contract, url: str, secrets: dict[str, str] | None = None) -> ContractTrial:
    return ContractTrial(ServiceClient(contract, HttpClient(10.0, 1), url, SECRETS if secrets is None else secrets))


def tried(contract: Contract, url: str, secrets: dict[str, str] | None = None) -> list[Checked]:
    return [*trial(contract, url, secrets).checks()]


def of(handler: type[Notes], contract: str = CONTRACT) -> list[Checked]:
    """Try the contract on a service of this kind, without notes."""
    with StubServer(type(handler.__name__, (handler,), {"notes": {}})) as server:
        return tried(parse(contract), server.url)


def broken(checks: list[Checked]) -> list[str]:
    """Return the first words of the claims that do not hold."""
    return [" ".join(each.claim.split()[:3]) for each in checks if each.problem]


def test_service_that_keeps_to_its_contract_has_eleven_claims() -> None:
    checks = of(Notes)
    assert [each.problem for each in checks] == [None] * 11


def test_two_routes_are_enough() -> None:
    two = "\n".join(
        line for line in CONTRACT.splitlines() if line.split(":")[0] not in ("replace", "delete", "list", "search")
    )
    checks = of(Notes, two.replace("&write ", ""))
    assert [each.problem for each in checks] == [None] * 5


@pytest.mark.parametrize(
    ("handler", "claims"),
    [
        (notes.AnswersForAll, ["A document that"]),
        (notes.IsAnsweredByAProxy, ["A document that"]),
        (notes.Redirects, ["A write is"]),
        (notes.StoresNothing, ["What was written"]),
        (notes.MakesItsOwnKeys, ["What was written"]),
        (notes.RefusesReads, ["What was written"]),
        (notes.HasNoText, ["What was written"]),
        (
            notes.RefusesRepeats,
            ["The same write", "A replacement is", "The same replacement", "The list has", "The search has"],
        ),
        (notes.Appends, ["The same write", "Another document's write", "A replacement is", "The same replacement"]),
        (notes.Duplicates, ["The list has"]),
        (notes.StoresOne, ["Another document's write"]),
        (notes.KeepsTheFirst, ["A replacement is", "The same replacement"]),
        (notes.ListsTheOldestFirst, ["The list has"]),
        (notes.ListsByTimeOfCreation, ["The list has"]),
        (notes.ListsByTimeOfChange, ["The list has"]),
        (notes.CachesItsList, ["The list has"]),
        (notes.ListsWithoutTheNewest, ["The list has"]),
        (notes.DeletesNothing, ["A deleted document", "The search has"]),
        (notes.DeletesAll, ["A deleted document", "The search has"]),
        (notes.SearchesAll, ["The search has"]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_breach_is_found(handler: type[Notes], claims: list[str]) -> None:
    found = broken(of(handler))
    assert found[0] == claims[0] and set(claims) <= set(found), "what stands first is its cause"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (Notes, None),
        (notes.Appends, "192 characters instead of 96"),
        (notes.RefusesRepeats, "409"),
        (notes.LimitsRepeats, None),
        (notes.HasNoText, "read.payload"),
        (notes.ListsByTimeOfChange, "by its list"),
        (notes.ListsWithoutTheNewest, None),
        (notes.ListsOthersAnyhow, None),
        (notes.StoresNothing, None),
        (notes.AnswersForAll, None),
        (notes.StoresLate, None),
        (notes.IsAnsweredByAProxy, None),
        (notes.AnswersInLatin1, None),
    ],
)
def test_run_is_refused_only_where_it_could_judge_nothing(handler: type[Notes], problem: str | None) -> None:
    with StubServer(type("Own", (handler,), {"notes": {}})) as server:
        found = trial(parse(CONTRACT), server.url).obstacle(Event())
    assert found is None if problem is None else problem in str(found)


def test_run_is_refused_by_a_service_with_ids_in_another_form() -> None:
    contract = CONTRACT.replace("payload: /text}", "payload: /text, id: /key}", 1)
    with StubServer(type("Own", (notes.ShowsIdsInUpperCase,), {"notes": {}})) as server:
        assert broken(tried(parse(contract), server.url))[0] == "What was written"
        assert "read.id" in str(trial(parse(contract), server.url).obstacle(Event()))


def test_aborted_run_does_not_wait_for_a_late_write() -> None:
    cancelled = Event()
    cancelled.set()
    with StubServer(type("Own", (notes.CountsReads,), {"notes": {}})) as server:
        assert trial(parse(CONTRACT), server.url).obstacle(cancelled) is None
    assert notes.CountsReads.reads == []


@pytest.mark.parametrize(("types", "holds"), [("[application/json]", False), ("[application/json, none]", True)])
def test_answers_without_a_body_are_the_services_if_the_contract_says_so(types: str, holds: bool) -> None:
    contract = CONTRACT.replace("[application/json]", types)
    assert ([each.problem for each in of(notes.AnswersBriefly, contract)] == [None] * 11) is holds


def test_refusal_with_an_acknowledged_status_is_none_that_acknowledges() -> None:
    refused = "not_applied: [{status: [200], pointer: /ok, equals: false}]"
    contract = CONTRACT.replace("write: &write {", f"write: &write {{{refused}, ")
    (write,) = [each for each in of(notes.RefusesWith200, contract) if each.problem]
    assert write.claim == "A write is acknowledged." and "200" in str(write.problem)


def test_wrong_secret_is_a_write_that_failed() -> None:
    with StubServer(type("Own", (Notes,), {"notes": {}})) as server:
        (write,) = [each for each in tried(parse(CONTRACT), server.url, {"token": "wrong"}) if each.problem]
    assert write.claim == "A write is acknowledged." and write.problem and "401" in write.problem


def test_service_that_is_not_there_is_said_by_the_first_claim() -> None:
    (only,) = tried(own(), f"http://127.0.0.1:{free_port()}")
    assert only.problem == "The service does not answer: there is nothing at its address."


@pytest.mark.mongod
def test_own_service_keeps_to_its_contract(mongod: Mongod, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, mongod.uri, MONGODB_DATABASE="contract_tests") as service:
        service.wait_ready()
        checks = tried(own(), service.url)
    assert [each.problem for each in checks] == [None] * 11


class TestCommand:
    def test_exit_status_says_whether_it_holds(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "contract.yaml"
        file.write_text(CONTRACT)
        (tmp_path / "token").write_text(f"{SECRETS['token']}\n")
        for handler, status in ((Notes, 0), (notes.KeepsTheFirst, 1)):
            with StubServer(type("Own", (handler,), {"notes": {}})) as server:
                assert prove.main(["contract", str(file), "--url", server.url, "--secrets", str(tmp_path)]) == status
            answers = {line[:3].strip() for line in capsys.readouterr().out.splitlines()}
            assert {"yes", "no"} & answers == ({"yes", "no"} if status else {"yes"})

    def test_contract_may_stand_in_a_targets_file(self, tmp_path: Path) -> None:
        file = tmp_path / "target.yaml"
        whole = {**WHOLE, "contract": {**TWO_ROUTES, "media_types": ["application/json"]}}
        with StubServer(type("Own", (WithoutTokens,), {"notes": {}})) as server:
            file.write_text(json.dumps(whole))
            assert prove.main(["contract", str(file), "--url", server.url]) == 0
        file.write_text(json.dumps({"service": SERVICE}))
        assert prove.main(["contract", str(file), "--url", "http://127.0.0.1:1"]) == 2

    @pytest.mark.parametrize("text", ["", "write: 1", CONTRACT])
    def test_invalid_file_and_missing_secret_are_status_2(
        self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "contract.yaml"
        file.write_text(text)
        assert prove.main(["contract", str(file), "--url", "http://127.0.0.1:1"]) == 2
        assert str(file) in capsys.readouterr().err

    def test_missing_file_is_status_2(self, tmp_path: Path) -> None:
        assert prove.main(["contract", str(tmp_path / "none"), "--url", "http://127.0.0.1:1"]) == 2
