"""The sections of the page: budgets, hours, who spends."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.web.page.budgets import budgets_section
from otel_token_monitor.web.page.chart import hours_section
from otel_token_monitor.web.page.spenders import spenders_section
from tests.unit.web.ledgers import HOUR_NS, call, report_of

NBSP = "\N{NO-BREAK SPACE}"
KOLKATA = "Asia/Kolkata"


def budgets(*calls: Any, **limits: Any) -> str:
    report = report_of(*calls, **limits)
    return budgets_section(report.budgets, report.policy.zone)


def plain(text: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)).strip()


def test_a_budget_says_what_is_used() -> None:
    text = plain(budgets(call(tokens=8421), projects={"shop": {"daily_limit": 10_000}}))
    assert text.startswith("Budgets shop tokens per day WARNING 84.2 % 8,421 of 10,000")


def test_a_share_is_never_rounded_up_to_a_threshold() -> None:
    assert "89.9 % 89,999 of 100,000" in plain(budgets(call(tokens=89_999), daily_limit=100_000))


def test_money_is_shown_in_dollars() -> None:
    text = plain(budgets(call(cost=4_500_000_000), monthly_cost_limit=20))
    assert "Everything cost per month NORMAL 22.5 % $4.50 of $20.00" in text


def test_the_bar_ends_where_the_use_does_and_has_the_thresholds_marked() -> None:
    text = budgets(call(tokens=500, ago_ns=7 * HOUR_NS), daily_limit=2000, warning_threshold=0.75)
    assert '<span class="fill" style="width:25%"></span>' in text
    assert '<i style="left:75%"></i><i style="left:90%"></i>' in text
    assert f'aria-label="25.0{NBSP}% used, warning from 75 %, critical from 90 %"' in text


def test_the_bar_of_an_exceeded_budget_is_full() -> None:
    text = budgets(call(tokens=2060), daily_limit=2000)
    assert '<span class="fill" style="width:100%"></span>' in text
    assert '<span class="ahead" style="width:0%"></span>' in text
    assert "103.0 % 2,060 of 2,000" in plain(text)


def test_a_used_up_budget_says_so() -> None:
    assert "used up resets in 16 h 30 m (00:00)" in plain(
        budgets(call(tokens=2060), daily_limit=2000)
    )


def test_the_pace_foretells_the_end() -> None:
    # 1000 tokens in the hour that the ledger exists: 16.5 hours remain.
    text = plain(budgets(call(tokens=1000), daily_limit=10_000))
    assert "heading for 175 % runs out in 9 h 0 m resets in 16 h 30 m (00:00)" in text


def test_a_forecast_far_beyond_the_limit_is_no_percentage() -> None:
    text = plain(budgets(call(tokens=1000), daily_limit=1700))
    assert "heading for over 10\N{MULTIPLICATION SIGN} the limit runs out in 42 m" in text


def test_a_month_resets_on_a_date_in_the_time_zone() -> None:
    text = plain(budgets(monthly_limit=10, timezone="Asia/Seoul"))
    assert "resets in 28 d 7 h (1 Jun)" in text


def test_a_minute_has_no_reset() -> None:
    text = plain(budgets(call(ago_ns=30_000_000_000), requests_per_minute_limit=4))
    assert text.endswith("Everything requests per minute NORMAL 25.0 % 1 of 4 the last 60 seconds")


def test_the_estimated_share_is_said() -> None:
    calls = (call(tokens=700), call(tokens=300, estimated=True, unmetered="stream"))
    assert "1,000 of 4,000 (30.0 % estimated)" in plain(budgets(*calls, daily_limit=4000))


def test_the_most_urgent_budget_comes_first() -> None:
    limits = {"a": {"daily_limit": 1000}, "b": {"daily_limit": 2000}, "c": {"daily_limit": 1100}}
    calls = [call(name, 1000) for name in limits]
    text = budgets(*calls, projects=limits)
    assert re.findall(r"<bdi>(.)</bdi>", text) == ["a", "c", "b"]


def test_a_model_within_a_project_is_named() -> None:
    text = plain(budgets(projects={"shop": {"models": {"gpt-5*": {"daily_limit": 10}}}}))
    assert "shop · gpt-5* tokens per day" in text


def test_a_chart_has_a_bar_for_each_hour_with_its_figures() -> None:
    report = report_of(call(tokens=100, ago_ns=5 * HOUR_NS), call(tokens=50))
    titles = re.findall("<title>(.*?)</title>", hours_section(report))
    assert len(titles) == 24
    assert titles[2] == "02:00\N{EN DASH}03:00: 100 tokens, 1 request"
    assert titles[7] == "07:00\N{EN DASH}08:00: 50 tokens, 1 request"
    assert titles[8] == "08:00\N{EN DASH}09:00: 0 tokens, 0 requests"


def test_a_chart_marks_the_current_hour() -> None:
    text = hours_section(report_of(call()))
    assert '<g class="now"><title>07:00\N{EN DASH}08:00' in text
    assert text.count("now</b>") == 1


def test_a_chart_is_told_in_words() -> None:
    text = hours_section(report_of(call(tokens=100)))
    assert 'aria-label="Tokens by hour today: most from 07:00\N{EN DASH}08:00, 100 tokens."' in text


def test_a_chart_of_a_day_without_calls_says_so() -> None:
    text = hours_section(report_of())
    assert 'aria-label="Tokens by hour today: none yet."' in text
    assert "No calls yet today." in text


def test_the_highest_bar_fits_a_round_scale() -> None:
    text = hours_section(report_of(call(tokens=12_000)))
    assert '<div class="scale"><span>20k</span><span>10k</span><span>0</span></div>' in text
    assert 'y="40.000" width="7" height="60.000"' in text


def test_hours_are_those_of_the_time_zone() -> None:
    # 13:00 in Kolkata.
    titles = re.findall("<title>(.*?)</title>", hours_section(report_of(call(), timezone=KOLKATA)))
    assert titles[12] == "12:00\N{EN DASH}13:00: 1,000 tokens, 1 request"


def test_the_day_on_which_clocks_are_set_forward_has_23_hours() -> None:
    noon_ns = int(datetime(2025, 3, 9, 16, tzinfo=UTC).timestamp()) * 10**9
    report = report_of(now_ns=noon_ns, timezone="America/New_York")
    titles = re.findall("<title>(.*?): ", hours_section(report))
    assert len(titles) == 23
    assert titles[:3] == ["00:00\N{EN DASH}01:00", "01:00\N{EN DASH}03:00", "03:00\N{EN DASH}04:00"]


def test_without_hours_there_is_no_chart() -> None:
    assert hours_section(report_of(hours=False)) == ""


def test_who_spends_most_comes_first_with_its_models() -> None:
    text = plain(
        spenders_section(
            report_of(
                call("small", 1000, cost=10_000_000),
                call("big", 2000, model="gpt-5"),
                call("big", 1000, model="o3", cost=None, status="error"),
            )
        )
    )
    assert text.startswith(
        "Who spends Project, model Tokens Share Requests Cost "
        "big 3,000 75.0 % 2 1 error $0.25 "
        "gpt-5 2,000 50.0 % 1 $0.25 "
        "o3 1,000 25.0 % 1 1 error unknown "
        "small 1,000 25.0 % 1 $0.0100 "
        "gpt-5 1,000 25.0 % 1 $0.0100 "
    )


def test_models_beyond_the_first_are_added_up() -> None:
    calls = [call(tokens=100 - number, model=f"m{number}") for number in range(7)]
    assert "2 more models 189" in plain(spenders_section(report_of(*calls)))


def test_a_day_without_calls_shows_the_month() -> None:
    text = spenders_section(report_of(call(tokens=77, ago_ns=30 * HOUR_NS)))
    assert "No calls yet today." in text
    assert "<details open>\n<summary>This month</summary>" in text
    assert "shop 77 100.0 % 1 $0.25" in plain(text)


def test_what_the_sums_leave_out_is_said() -> None:
    text = plain(
        spenders_section(
            report_of(
                call(tokens=None, cost=None, unmetered="stream"),
                call(tokens=300, cost=None),
                call(tokens=20, estimated=True),
            )
        )
    )
    assert (
        "1 request of which nobody sent the usage: unmetered, not in the tokens. "
        "20 tokens estimated: not in the tokens here, but in the budgets. "
        "1 request of unknown price: unpriced, not in the cost."
    ) in text


def test_parts_of_a_call_add_up() -> None:
    record = call()._replace(usage=TokenUsage(1, 2, 3, 4, 5))
    assert "shop 15 100.0 % 1" in plain(spenders_section(report_of(record)))
