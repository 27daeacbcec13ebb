"""Limits: exact at their thresholds, and named so that no two are confused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.budgets.limits import BudgetStatus, Limit, Scope, Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.usage import Labels, Totals

NAMES = st.text(min_size=1, max_size=8) | st.sampled_from(["a/b", "a%2Fb", "model:x", "a/model:b"])
SCOPES = st.builds(Scope, st.none() | NAMES, st.none() | NAMES) | st.just(Scope(over_ledgers=True))


def tokens(amount: int, warning: float = 0.8, critical: float = 0.9) -> Limit:
    return Limit(Scope(), Unit.TOKENS, Window.DAY, amount, warning, critical)


@pytest.mark.parametrize(
    ("used", "status"),
    [
        (0, BudgetStatus.NORMAL),
        (7_999, BudgetStatus.NORMAL),
        (8_000, BudgetStatus.WARNING),
        (8_999, BudgetStatus.WARNING),
        (9_000, BudgetStatus.CRITICAL),
        (10_000, BudgetStatus.CRITICAL),
        (25_000, BudgetStatus.CRITICAL),
    ],
)
def test_the_status_changes_exactly_at_the_thresholds(used: int, status: BudgetStatus) -> None:
    assert tokens(10_000).status(used) is status


@given(
    amount=st.integers(1, 10**15),
    percents=st.lists(st.integers(1, 100), min_size=2, max_size=2, unique=True).map(sorted),
    used=st.integers(0, 2 * 10**15),
)
def test_no_threshold_is_rounded(amount: int, percents: list[int], used: int) -> None:
    limit = tokens(amount, percents[0] / 100, percents[1] / 100)
    for near in {used, amount * percents[0] // 100, -(-amount * percents[1] // 100)}:
        reached = [Fraction(near, amount) >= Fraction(percent, 100) for percent in percents]
        assert limit.status(near) == sum(reached)


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (Scope(), "ledger/tokens/day"),
        (Scope(over_ledgers=True), "global/tokens/day"),
        (Scope("checkout"), "project:checkout/tokens/day"),
        (Scope(None, "gpt-5*"), "model:gpt-5*/tokens/day"),
        (Scope("a/b%", "openai/gpt-5"), "project:a%2Fb%25/model:openai/gpt-5/tokens/day"),
    ],
)
def test_a_budget_has_a_name_that_people_can_read(scope: Scope, name: str) -> None:
    assert Limit(scope, Unit.TOKENS, Window.DAY, 1).budget == name


@pytest.mark.parametrize(
    ("scope", "kind", "whole"),
    [
        (Scope(), "ledger", True),
        (Scope(over_ledgers=True), "global", True),
        (Scope("shop"), "project", False),
        (Scope(None, "gpt-5*"), "model", False),
        (Scope("shop", "gpt-5*"), "project_model", False),
    ],
)
def test_the_kind_of_a_scope(scope: Scope, kind: str, *, whole: bool) -> None:
    assert (scope.kind, scope.is_whole) == (kind, whole)


@pytest.mark.parametrize("over_ledgers", [False, True])
def test_a_limit_as_a_document(*, over_ledgers: bool) -> None:
    limit = Limit(Scope(over_ledgers=over_ledgers), Unit.TOKENS, Window.DAY, 5, 0.5, 1.0)
    document = limit.document()
    assert Limit.from_document(document) == limit
    # Without the key it is as earlier releases wrote it.
    assert document.pop("over_ledgers", False) is over_ledgers
    assert document == {
        "project": None,
        "model": None,
        "unit": "tokens",
        "window": "day",
        "amount": 5,
        "warning": 0.5,
        "critical": 1.0,
    }
    assert Limit.from_document(document).scope == Scope()


@given(one=SCOPES, two=SCOPES)
def test_no_two_scopes_have_the_same_name(one: Scope, two: Scope) -> None:
    assert (str(one) == str(two)) == (one == two)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), True),
        (Scope(over_ledgers=True), True),
        (Scope("shop"), True),
        (Scope("sho*"), False),
        (Scope(None, "gpt-5*"), True),
        (Scope(None, "GPT-5*"), False),
        (Scope("shop", "gpt-4*"), False),
        (Scope("search", "gpt-5*"), False),
        (Scope("shop", "gpt-5-mini"), True),
    ],
)
def test_a_scope_covers_its_project_and_the_models_of_its_glob(
    scope: Scope, *, covered: bool
) -> None:
    assert scope.covers(Labels("shop", "openai", "gpt-5-mini", "responses")) is covered


def test_each_unit_counts_its_own() -> None:
    sums = Totals(
        input=1, input_cached=2, input_cache_write=3, output=4, output_reasoning=5,
        estimated_input=100, estimated_output=200, requests_ok=7, requests_error=1,
        cost_nanousd=1_500_000_000,
    ).used  # fmt: skip
    assert Unit.TOKENS.of(sums) == 315
    assert Unit.TOKENS.estimated(sums) == 300
    assert Unit.REQUESTS.of(sums) == 8
    assert Unit.USD.of(sums) == 1_500_000_000
    assert Unit.USD.shown(1_500_000_000) == 1.5
    assert Unit.USD.estimated(sums) == Unit.REQUESTS.estimated(sums) == 0
