"""Where `runbook_url` leads."""

from __future__ import annotations

import pytest

from otel_token_monitor.deployment.bundle import DASHBOARDS, RULES, bundled_files
from otel_token_monitor.deployment.rule_files import bundled_rules
from otel_token_monitor.deployment.runbooks import (
    RUNBOOKS,
    InvalidBaseError,
    runbooks_base,
    with_runbooks,
)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://wiki/runbooks", "https://wiki/runbooks/"),
        ("https://wiki/runbooks/", "https://wiki/runbooks/"),
        ("http://wiki:8080/view?page=", "http://wiki:8080/view?page="),
        ("https://wiki/llm#", "https://wiki/llm#"),
    ],
)
def test_the_name_of_the_page_is_a_word_of_its_own(url: str, base: str) -> None:
    assert runbooks_base(url) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "wiki",
        "ftp://wiki",
        "https://",
        "https://a b",
        "https://a\nb",
        "https://{{ 1 }}",
        'http://"',
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidBaseError) as refused:
        runbooks_base(url)
    assert str(refused.value) == (
        f"{url!r} is no address of runbooks: give one such as https://wiki/runbooks"
    )


def test_every_alert_has_a_runbook_of_its_name_in_this_project() -> None:
    urls = {
        rule.name: rule.annotations["runbook_url"]
        for rule in bundled_rules()
        if rule.kind == "alerting"
    }
    assert urls == {name: f"{RUNBOOKS}{name}.md" for name in urls}
    assert len(urls) >= 18


@pytest.mark.parametrize(
    ("directory", "links"), [(RULES, b"runbook_url: "), (DASHBOARDS, b'"url": "')]
)
def test_only_the_base_is_replaced(directory: str, links: bytes) -> None:
    for _, content in bundled_files(directory):
        replaced = with_runbooks(content, "https://wiki/")
        assert RUNBOOKS.encode() not in replaced
        assert replaced.replace(b"https://wiki/", RUNBOOKS.encode()) == content
        assert replaced.count(links + b"https://wiki/") == content.count(RUNBOOKS.encode()) > 0
