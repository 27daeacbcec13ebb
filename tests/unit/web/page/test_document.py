"""The page as a whole: its heading, banners, figures and links."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.web.page.document import landing_page
from otel_token_monitor.web.sources import ServerStatus
from tests.unit.web.ledgers import FINE, call, client_of, reader_of, report_of, sources_of

if TYPE_CHECKING:
    from otel_token_monitor.usage import UsageRecord

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>",
    "$version {status} %s \\",
    "a" * 128,
]


def page(*calls: UsageRecord, **limits: Any) -> str:
    return landing_page(FINE, report_of(*calls, **limits))


def test_it_names_product_and_version() -> None:
    assert "<h1>OTel Token Monitor <small>1.2.3</small></h1>" in page()


def test_it_says_as_of_when() -> None:
    assert "Sat 3 May 2025, 16:30:00</time> Asia/Seoul" in page(timezone="Asia/Seoul")


@pytest.mark.parametrize(
    ("tokens", "status"), [(799, "NORMAL"), (800, "WARNING"), (900, "CRITICAL")]
)
def test_the_status_is_a_word_in_heading_and_title(tokens: int, status: str) -> None:
    text = page(call(tokens=tokens), daily_limit=1000)
    assert f'<p class="status">{status}</p>' in text
    assert f"<title>{status} · OTel Token Monitor</title>" in text


def test_the_most_urgent_budget_is_named() -> None:
    text = page(call(tokens=900), daily_limit=1000, projects={"shop": {"monthly_limit": 909}})
    assert (
        "<p>2 budgets: 2 critical. Most urgent: <strong><bdi>shop</bdi></strong>, "
        "99.0\N{NO-BREAK SPACE}% of its tokens per month used.</p>"
    ) in text


def test_budgets_below_their_thresholds_are_summed_up() -> None:
    text = page(daily_limit=1000, monthly_cost_limit=5)
    assert "All 2 budgets are below their thresholds." in text


def test_without_limits_it_says_how_to_set_one() -> None:
    text = page()
    assert "No limit is set, so nothing can be exceeded." in text
    assert "TOKEN_DAILY_LIMIT=2000000" in text


def test_the_totals_of_today_and_this_month() -> None:
    text = page(
        call(tokens=1_234_567, cost=12_340_000_000),
        call(tokens=1000, cost=1_000_000_000, ago_ns=40 * 3_600_000_000_000, status="error"),
    )
    assert "<dt>Tokens today</dt><dd>1,234,567</dd><dd>1,234,567 in, 0 out</dd>" in text
    assert "<dt>Requests today</dt><dd>1</dd><dd>no errors</dd>" in text
    assert "<dt>Cost today</dt><dd>$12.34</dd><dd>$13.34 this month</dd>" in text
    assert "<dt>Tokens this month</dt><dd>1,235,567</dd><dd>2 requests</dd>" in text


def test_without_a_report_the_status_is_unknown() -> None:
    text = landing_page(FINE, None, ["no ledger at </p>"])
    assert '<p class="status">UNKNOWN</p>' in text
    assert (
        '<p class="banner critical" role="alert"><b>Ledger trouble:</b> no ledger at &lt;/p&gt;'
        in text
    )
    assert "Tokens today" not in text


def test_trouble_stands_above_what_can_be_read_all_the_same() -> None:
    text = landing_page(FINE, report_of(call()), ["the disk is full"])
    assert text.index("the disk is full") < text.index("Tokens today")


def test_contested_limits_are_said() -> None:
    text = landing_page(FINE, replace(report_of(), contested=True))
    assert (
        "<b>Contested limits:</b> applications that write this ledger disagree about its limits."
    ) in text


def test_agreed_limits_are_not_mentioned() -> None:
    assert "Contested" not in page()


def test_ledger_and_its_id_are_named() -> None:
    report = report_of()
    text = landing_page(FINE, report)
    assert f"<code>/data/usage.db</code> <code>{report.ledger_id}</code>" in text


def test_a_path_that_is_no_utf8_is_shown() -> None:
    status = ServerStatus(version="1", ledger="/\udcff")
    assert "<code>/\\udcff</code>" in landing_page(status, None)


@pytest.mark.parametrize("link", ["metrics", "token-usage", "token-status", "healthz"])
@pytest.mark.parametrize("base", ["", "llm/"])
def test_the_links_hold_below_any_prefix(link: str, base: str) -> None:
    assert f'<a href="{base}{link}">' in landing_page(FINE, None, base=base)


def test_it_asks_nothing_of_others() -> None:
    text = page(call(), daily_limit=1000)
    assert re.findall(r"<(?:script|link|img|iframe|object|form)|https?:|url\(|@import", text) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_markup(name: str) -> None:
    calls = [call(name, 900, model=name)]
    limits = {"daily_limit": 1000, "projects": {name: {"daily_limit": 1000}}}
    plain = page(
        call("plain", 900, model="plain"),
        projects={"plain": {"daily_limit": 1000}},
        daily_limit=1000,
    )
    text = page(*calls, **limits)
    tags = re.compile(r"<[^>]*>")
    assert [tag for tag in tags.findall(text) if "title" not in tag and "aria" not in tag] == [
        tag for tag in tags.findall(plain) if "title" not in tag and "aria" not in tag
    ]


def test_what_would_turn_the_text_round_is_replaced() -> None:
    assert "<bdi>\N{REPLACEMENT CHARACTER}evil</bdi>" in page(
        call("\N{RIGHT-TO-LEFT OVERRIDE}evil")
    )


def test_a_page_of_many_projects_and_budgets_is_served() -> None:
    names = [f"team-{number:02}" for number in range(60)]
    limits = {
        name: {"daily_limit": 1000, "monthly_limit": 9000, "daily_cost_limit": 1} for name in names
    }
    with reader_of(*(call(name, number) for number, name in enumerate(names, 1))) as reader:
        text = client_of(sources_of(reader, projects=limits)).get("/").text
    assert "170 more budgets: 170 normal</summary>" in text
    assert "52 more projects: 1,378 tokens, $13.00</summary>" in text


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.1."""

    def luminance(colour: str) -> float:
        digits = colour * 2 if len(colour) == 3 else colour
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "back"),
    [
        *((ink, back) for ink in ("ink", "soft", "link") for back in ("card", "back")),
        *((status, "card") for status in ("normal", "warning", "critical", "unknown")),
        *((status, f"{status}-back") for status in ("normal", "warning", "critical")),
    ],
)
def test_text_stands_out_from_what_is_behind_it(scheme: int, text: str, back: str) -> None:
    style = files("otel_token_monitor.web.page").joinpath("style.css").read_text()
    colours = dict(re.findall(r"--([a-z-]+): #([0-9a-f]+);", style.split(":root")[1 + scheme]))
    assert contrast(colours[text], colours[back]) >= 4.5
