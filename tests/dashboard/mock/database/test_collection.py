"""The simulated collection shows documents as the source does."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from dashboard.mock.clock import SimulationClock
from dashboard.mock.database.collection import ODD, MockCollection
from dashboard.sources.mongo import shown


@pytest.mark.parametrize("document", ODD, ids=lambda document: "-".join(document)[:20])
def test_odd_document_is_shown_as_by_the_source(document: dict[str, Any]) -> None:
    clock = SimulationClock(datetime(2026, 11, 24, 12, tzinfo=UTC))
    collection = MockCollection(clock, random.Random(7))  # noqa: S311 - no secret
    collection.insert(document)
    (mock,) = collection.contents().newest
    real = shown({"_id": ObjectId(mock.id), "size": 100, "root": {"_id": ObjectId(mock.id), **document}})
    assert mock == real
