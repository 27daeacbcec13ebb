"""The documents in data files: nothing is lost, and what is no such document is refused."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from otel_token_monitor.snapshots.contents import Origin, period_document
from otel_token_monitor.snapshots.documents import (
    DayDocument,
    DocumentError,
    MonthDocument,
    ProjectDocument,
    decoded,
    encoded,
    json_schema,
)
from otel_token_monitor.snapshots.periods import Period
from otel_token_monitor.usage import Labels, Totals
from tests.unit.snapshots.ledgers import SEOUL, at

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
DAY = Period.day(dt.date(2026, 11, 24))
ORIGIN = Origin("0123456789abcdef", SEOUL.zone, at("2026-11-24T16:48:00+09:00"))
CHAT = Labels("shop", "openai", "gpt-5-mini", "chat/completions")

names = strategies.text(strategies.characters(codec="utf-8"), min_size=1, max_size=20)
labels = strategies.builds(Labels, names, names, names, names)
sums = strategies.lists(strategies.integers(0, 2**62 // 100), min_size=12, max_size=12).map(
    lambda columns: Totals(*columns)
)


def day(**changed: Any) -> bytes:
    """The document of a day with one call, changed."""
    document = json.loads(encoded(period_document(ORIGIN, DAY, {CHAT: Totals(1, requests_ok=1)})))
    return json.dumps(document | changed).encode()


@given(strategies.dictionaries(labels, sums, max_size=5))
def test_a_day_has_exactly_the_sums_of_the_ledger(by_labels: dict[Labels, Totals]) -> None:
    content = encoded(period_document(ORIGIN, DAY, by_labels))
    document = decoded(content, DayDocument)
    assert {entry.labels: entry.totals for entry in document.usage} == by_labels
    assert document.total.totals == Totals(
        *map(sum, zip(Totals(), *by_labels.values(), strict=True))
    )


def test_a_day_begins_and_ends_where_its_time_zone_says() -> None:
    document = json.loads(day())
    assert {key: document[key] for key in ("date", "timezone", "start", "end", "updated")} == {
        "date": "2026-11-24",
        "timezone": "Asia/Seoul",
        "start": "2026-11-24T00:00:00+09:00",
        "end": "2026-11-25T00:00:00+09:00",
        "updated": "2026-11-24T16:48:00+09:00",
    }


def test_what_sums_are_of_comes_first() -> None:
    (entry,) = json.loads(day())["usage"]
    assert list(entry)[:5] == ["project", "provider", "model", "endpoint", "total_tokens"]


def test_keys_of_a_later_release_are_passed_over() -> None:
    assert decoded(day(weather="fine"), DayDocument).date == DAY.first


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"schema_version": 2}, "Invalid enum value 2 - at `$.schema_version`"),
        ({"kind": "month"}, "Invalid enum value 'month' - at `$.kind`"),
        ({"date": "2026-02-30"}, "Invalid RFC3339 encoded date - at `$.date`"),
        ({"start": "2026-11-24T00:00:00"}, "Expected `datetime` with a timezone component"),
        ({"usage": None}, "Expected `array`, got `null` - at `$.usage`"),
        ({"usage": [{}]}, "Object missing required field `project` - at `$.usage[0]`"),
    ],
)
def test_another_document_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentError) as raised:
        decoded(day(**changed), DayDocument)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"requests": -1}, "Expected `int` >= 0 - at `$.total.requests`"),
        ({"requests": "1"}, "Expected `int`, got `str` - at `$.total.requests`"),
        ({"requests": 1.5}, "Expected `int`, got `float` - at `$.total.requests`"),
        ({"errors": 2}, "errors is 2, more than the 1 requests - at `$.total`"),
        ({"total_tokens": 2}, "total_tokens is 2, its parts add up to 1 - at `$.total`"),
        ({"input_tokens": 2}, "input_tokens is 2, its parts add up to 1 - at `$.total`"),
        ({"output_tokens": 2}, "output_tokens is 2, its parts add up to 0 - at `$.total`"),
        ({"estimated_tokens": 2}, "estimated_tokens is 2, its parts add up to 0 - at `$.total`"),
    ],
)
def test_sums_that_cannot_be_are_refused(changed: dict[str, Any], message: str) -> None:
    total = json.loads(day())["total"]
    with pytest.raises(DocumentError) as raised:
        decoded(day(total=total | changed), DayDocument)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", day()[:-3], b"\xff\xfe", b"[" * 100_000, b'{"kind":"\xff"}']
)
def test_what_is_no_document_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentError):
        decoded(content, DayDocument)


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "2026-1", "26-11", "2026-11-24"])
def test_what_is_no_month_is_refused(month: str) -> None:
    document = json.loads(encoded(period_document(ORIGIN, Period.month(DAY.first), {})))
    with pytest.raises(DocumentError):
        decoded(json.dumps(document | {"month": month}).encode(), MonthDocument)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("day", DayDocument), ("month", MonthDocument), ("project", ProjectDocument)],
)
def test_the_schemas_are_in_the_documentation(name: str, kind: Any) -> None:
    assert json.loads((SCHEMAS / f"{name}.json").read_text()) == json_schema(kind)


def test_the_schema_has_all_that_a_document_has() -> None:
    schema = json_schema(DayDocument)
    document = json.loads(day())
    assert schema["required"] == list(schema["properties"]) == list(document)
    assert schema["$defs"]["UsageSums"]["required"] == list(document["usage"][0])
