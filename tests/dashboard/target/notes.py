"""A service with a contract of its own, in memory, and services that break it in one way each."""

import json
from itertools import count
from threading import Timer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.dashboard.stubs import StubHandler

CONTRACT = """
id: uuid
headers: {Authorization: "Bearer {secret:token}"}
media_types: [application/json]
write: &write {method: PUT, path: "/notes/{id}", body: {text: "{payload}", of: "{run}", number: "{number}"}}
replace: *write
delete: {path: "/notes/{id}", acknowledged: [204]}
read: {path: "/notes/{id}", payload: /text}
list: {path: /notes, items: /notes, id: /key, payload: /text}
search: {path: "/notes?of={run}", items: /notes, id: /key, payload: /text, run: /of, next: link}
"""
SECRETS = {"token": "no-secret-at-all"}
PAGE = 2  # notes of a search

Note = dict[str, object]


class Notes(StubHandler):
    """Each test makes a subclass, since the notes are the class's."""

    notes: ClassVar[dict[str, Note]]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path != "/notes":
            note = self.find(address.path.removeprefix("/notes/"))
            return self.answer(200, note) if note else self.answer(404, {"detail": "There is no such note."})
        newest = sorted(self.notes.items(), reverse=True)
        found = [note | {"key": key} for key, note in newest]
        if "of" not in (query := parse_qs(address.query)):
            return self.answer(200, {"notes": self.listed(found)})
        start = int(query.get("start", ["0"])[0])
        mine = [note for note in found if note["of"] == query["of"][0]]
        page, more = mine[start : start + PAGE], len(mine) > start + PAGE
        link = {"Link": f'</notes?of={query["of"][0]}&start={start + PAGE}>; rel="next"'} if more else {}
        self.answer(200, {"notes": self.searched(page)}, link)

    def do_PUT(self) -> None:
        key = self.path.removeprefix("/notes/")
        note = json.loads(self.body())
        if self.headers["Authorization"] != f"Bearer {SECRETS['token']}":
            return self.answer(401, {"detail": "Who are you?"})
        status = 200 if key in self.notes else 201
        self.store(key, note)
        self.answer(status, {"key": key})

    def do_DELETE(self) -> None:
        self.remove(self.path.removeprefix("/notes/"))
        self.respond(204, b"")

    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self.respond(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    # What subclasses break

    def find(self, key: str) -> Note | None:
        return self.notes.get(key)

    def store(self, key: str, note: Note) -> None:
        self.notes[key] = note

    def remove(self, key: str) -> None:
        self.notes.pop(key, None)

    def listed(self, notes: list[Note]) -> list[Note]:
        return notes

    def searched(self, notes: list[Note]) -> list[Note]:
        return notes


class RefusesRepeats(Notes):
    """The same write again is a conflict."""

    refusal = 409

    def do_PUT(self) -> None:
        if self.path.removeprefix("/notes/") in self.notes:
            self.body()
            return self.answer(self.refusal, {"detail": "It exists."})
        super().do_PUT()


class LimitsRepeats(RefusesRepeats):
    """It is asked too often."""

    refusal = 429


class RefusesWith200(Notes):
    def do_PUT(self) -> None:
        self.body()
        self.answer(200, {"ok": False})


class AnswersBriefly(Notes):
    """What is absent, and what was written, it says by the status alone."""

    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        if status == 200 and self.command == "GET":
            return super().answer(status, body, headers)
        self.respond(status, b"")


class AnswersInLatin1(Notes):
    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self.respond(status, b'{"text": "\xe3"}', {"Content-Type": "application/json"})


class ShowsIdsInUpperCase(Notes):
    def find(self, key: str) -> Note | None:
        found = super().find(key)
        return found and found | {"key": key.upper()}


class Appends(Notes):
    """A write again appends to what is there."""

    def store(self, key: str, note: Note) -> None:
        self.notes[key] = note | {"text": f"{self.notes.get(key, {}).get('text', '')}{note['text']}"}


class Duplicates(Notes):
    """A write again makes a second note under the same key, which only lists show."""

    written: ClassVar[dict[str, int]] = {}

    def store(self, key: str, note: Note) -> None:
        self.written[key] = self.written.get(key, 0) + 1
        super().store(key, note)

    def listed(self, notes: list[Note]) -> list[Note]:
        return [note for note in notes for _ in range(self.written[str(note["key"])])]


class MakesItsOwnKeys(Notes):
    """The caller's id counts for nothing."""

    numbers: ClassVar["count[int]"] = count()

    def store(self, key: str, note: Note) -> None:
        super().store(f"note-{next(self.numbers)}", note)


class StoresNothing(Notes):
    def store(self, key: str, note: Note) -> None:
        pass


class StoresLate(Notes):
    """A write is acknowledged before it is made."""

    def store(self, key: str, note: Note) -> None:
        Timer(0.3, super().store, (key, note)).start()


class StoresOne(Notes):
    """Each note takes the place of all others."""

    def store(self, key: str, note: Note) -> None:
        self.notes.clear()
        super().store(key, note)


class KeepsTheFirst(Notes):
    """A replacement is acknowledged and not made."""

    def store(self, key: str, note: Note) -> None:
        self.notes.setdefault(key, note)


class DeletesNothing(Notes):
    def remove(self, key: str) -> None:
        pass


class DeletesAll(Notes):
    def remove(self, key: str) -> None:
        self.notes.clear()


class AnswersForAll(Notes):
    """It has a note under each key."""

    def find(self, key: str) -> Note | None:
        return super().find(key) or {"text": "a default"}


class RefusesReads(Notes):
    def find(self, key: str) -> Note | None:
        return {"text": ["not", "text"]} if key in self.notes else None


class HasNoText(Notes):
    def find(self, key: str) -> Note | None:
        return {"content": self.notes[key]["text"]} if key in self.notes else None


class ListsTheOldestFirst(Notes):
    def listed(self, notes: list[Note]) -> list[Note]:
        return notes[::-1]


class ListsByTimeOfCreation(Notes):
    """The newest written first, whatever its id."""

    def listed(self, notes: list[Note]) -> list[Note]:
        order = [*self.notes]
        return sorted(notes, key=lambda note: order.index(str(note["key"])), reverse=True)


class ListsByTimeOfChange(Notes):
    """The one that was written or replaced last comes first."""

    def store(self, key: str, note: Note) -> None:
        self.notes.pop(key, None)
        super().store(key, note)

    def listed(self, notes: list[Note]) -> list[Note]:
        order = [*self.notes]
        return sorted(notes, key=lambda note: order.index(str(note["key"])), reverse=True)


class ListsOthersAnyhow(Notes):
    """Notes of others have ids of another kind."""

    def listed(self, notes: list[Note]) -> list[Note]:
        return [*notes, {"key": "zebra", "text": ""}, {"key": "ant", "text": ""}, {"key": "bee", "text": ""}]


class CountsReads(StoresNothing):
    reads: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.reads.append(self.path)
        super().do_GET()


class CachesItsList(Notes):
    """It answers with the list as it was when somebody asked first."""

    cached: ClassVar[list[list[Note]]] = []

    def listed(self, notes: list[Note]) -> list[Note]:
        self.cached.append(notes)
        return self.cached[0]


class ListsWithoutTheNewest(Notes):
    def listed(self, notes: list[Note]) -> list[Note]:
        return notes[1:]


class SearchesAll(Notes):
    """A search has the notes of others."""

    def searched(self, notes: list[Note]) -> list[Note]:
        return [*notes, {"key": "another", "text": "", "of": "another run"}]


class IsAnsweredByAProxy(Notes):
    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self.respond(status, b"<html>", {"Content-Type": "text/html"})


class Redirects(Notes):
    def do_PUT(self) -> None:
        self.body()
        self.answer(307, {}, {"Location": "/elsewhere"})
