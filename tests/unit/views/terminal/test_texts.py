"""Numbers as they stand in a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.budgets.limits import Unit
from otel_token_monitor.usage import Totals
from otel_token_monitor.views.terminal.texts import (
    amount_text,
    cost_text,
    percent_text,
    printable,
    span_text,
)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (9_999, "9.99k"),
        (81_000, "81.0k"),
        (842_000, "842k"),
        (999_999, "999k"),
        (1_000_000, "1.00M"),
        (10**15, "1.00P"),
        (10**19, "10000P"),
    ],
)
def test_tokens_have_three_digits_rounded_down(amount: int, text: str) -> None:
    assert amount_text(amount, Unit.TOKENS) == text


@pytest.mark.parametrize(
    ("nanodollars", "text"),
    [
        (0, "$0.00"),
        (99_999, "<$0.0001"),
        (100_000, "$0.0001"),
        (99_999_999, "$0.0999"),
        (100_000_000, "$0.10"),
        (8_209_999_999, "$8.20"),
        (99_999_999_999, "$99.99"),
        (161_920_000_000, "$161"),
        (1_500_000_000_000, "$1.50k"),
    ],
)
def test_money_has_cents_while_they_matter(nanodollars: int, text: str) -> None:
    assert amount_text(nanodollars, Unit.USD) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 100, "0%"),
        (1, 1000, "<1%"),
        (7_999, 10_000, "79%"),
        (8_000, 10_000, "80%"),
        (412, 400, "103%"),
        (9_999, 1_000, "999%"),
        (10_000, 1_000, ">999%"),
    ],
)
def test_a_share_is_rounded_down(part: int, whole: int, text: str) -> None:
    assert percent_text(part, whole) == text


@given(st.integers(min_value=0), st.sampled_from(list(Unit)))
def test_an_amount_is_never_shown_as_more_than_a_larger_one(amount: int, unit: Unit) -> None:
    texts = [amount_text(number, unit) for number in (amount, amount + 1)]
    assert texts[0] == texts[1] or _value(texts[0]) < _value(texts[1])


def _value(text: str) -> float:
    if text.startswith("<"):
        return 1e-9
    number = text.removeprefix("$")
    prefix = number[-1] if not number[-1].isdigit() else ""
    return float(number.removesuffix(prefix)) * 1000.0 ** ["", *"kMGTP"].index(prefix)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (45, "45s"),
        (60, "60s"),
        (61, "1m"),
        (3599, "59m"),
        (3600, "1h 00m"),
        (25_920, "7h 12m"),
        (86_399, "23h 59m"),
        (86_400, "1d 0h"),
        (616_000, "7d 3h"),
    ],
)
def test_how_long(seconds: int, text: str) -> None:
    assert span_text(seconds * 10**9) == text


def test_names_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\nc") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c"


@pytest.mark.parametrize(
    ("totals", "text"),
    [
        (Totals(), "$0.0000"),
        (Totals(cost_nanousd=99_999), "<$0.0001"),
        (Totals(cost_nanousd=1_234_567_890), "$1.2346"),
        (Totals(cost_nanousd=1_234_567_890_123), "$1,234.57"),
        (Totals(unpriced=2), "unknown"),
    ],
)
def test_cost(totals: Totals, text: str) -> None:
    assert cost_text(totals) == text
