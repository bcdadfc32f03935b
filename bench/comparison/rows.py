"""The rows of the comparison: what each asks of a server, and of which documents."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any
from urllib.parse import quote

from bson import ObjectId

from bench import wrk

DOCUMENTS = 100_000
PAGE = 20
POSTED = '{"sensor":"greenhouse-7","value":21.5,"unit":"C","ok":true}'
LARGE = json.dumps({"sensor": "greenhouse-7", "text": "0123456789abcdef" * 3_200})  # 50 KB
FILTER = json.dumps({"sensor": "greenhouse-7"})  # every twentieth document


@dataclass(frozen=True)
class Row:
    """`query` is what follows the URL of the documents, and `eve` the same in Eve's words."""

    title: str
    query: str = ""
    eve: str = ""
    script: str = ""
    writes: bool = False  # documents alone: each turn begins with none, so that the disk does not fill

    def url(self, documents: str, is_eve: bool) -> str:
        return documents + (self.eve if is_eve else self.query)


_PAGE, _EVE_PAGE = f"?limit={PAGE}", f"?max_results={PAGE}&sort=-_id"
_ONE = f"/{DOCUMENTS // 2:024x}"

ROWS = {
    "shared": Row(f"GET of {PAGE}, the same for all", _PAGE, _EVE_PAGE),
    "unshared": Row(f"GET of {PAGE}, no two requests alike", _PAGE, _EVE_PAGE, wrk.DISTINCT),
    "one": Row("GET of one", _ONE, _ONE),
    "filter": Row(
        f"GET of {PAGE} that meet a filter, of {DOCUMENTS:,}",
        f"{_PAGE}&filter={quote(FILTER)}",
        f"{_EVE_PAGE}&where={quote(FILTER)}",
    ),
    "mixed": Row(f"nine GETs of {PAGE} to a POST of one", _PAGE, _EVE_PAGE, wrk.MIXED.format(POSTED)),
    "post": Row("POST of one", script=wrk.POST.format(POSTED), writes=True),
    "large": Row("POST of 50 KB", script=wrk.POST.format(LARGE), writes=True),
}


def fill(collection: Any, extra: Callable[[int], dict[str, Any]]) -> None:
    """Store the documents that are read, with the fields that a server adds to its own."""
    collection.drop()
    collection.insert_many([_document(n) | extra(n) for n in range(DOCUMENTS)], ordered=False)


def eve_fields(number: int) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    return {"_created": now, "_updated": now, "_etag": sha1(b"%d" % number, usedforsecurity=False).hexdigest()}


def no_fields(number: int) -> dict[str, Any]:
    return {}


def _document(number: int) -> dict[str, Any]:
    return {
        "_id": ObjectId(f"{number:024x}"),
        "sensor": f"greenhouse-{number % 20}",
        "value": 15 + number % 100 / 7,
        "unit": "C",
        "at": f"2026-01-01T{number // 60 % 24:02}:{number % 60:02}:00Z",
        "n": number,
        "tags": ["inside", "south"],
        "ok": number % 10 != 0,
    }
