"""The same total, to the token, wherever one looks: while calls are made, and afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

import httpx
import pytest

from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import environment, samples
from tests.integration.steering import Application, eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SEOUL = ZoneInfo("Asia/Seoul")
WORKERS = 2
ROUNDS = 2
WARM_CALLS = 20
# Longer than the test takes, so that no midnight comes while it runs.
LONG = timedelta(seconds=90)

LIMITS: dict[str, Any] = {
    "timezone": "Asia/Seoul",
    "daily_limit": 10**9,
    "monthly_limit": 10**9,
    "projects": {
        "checkout": {"daily_limit": 10**9, "models": {"gpt-5*": {"monthly_limit": 10**9}}},
        "search": {"daily_limit": 10**9, "monthly_limit": 10**9},
    },
    "models": {"gpt-5*": {"daily_limit": 10**9}, "embedder": {"daily_limit": 10**9}},
}

Look = Callable[[], int]
"""Looks somewhere for the tokens of today."""


class Spender(Application):
    """A process that makes calls in several threads."""

    program: ClassVar = "spending"

    def reach(self) -> str:
        """Where it serves."""
        eventually(lambda: self._ask("address"))
        host, port = self._ask("address")
        return f"http://{host}:{port}"

    def sent(self) -> int:
        return int(self._ask("sent"))

    def made(self) -> int:
        return int(self._ask("calls"))

    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self._ask("summary")
        return summary

    def replies(self) -> Counter[tuple[str, str]]:
        """End its calls; what the replies said was used, by project and model."""
        return Counter({(project, model): sum_ for project, model, sum_ in self._ask("stop")})


def command(directory: Path, *arguments: str) -> dict[str, Any]:
    """What the command line says of a ledger."""
    done = subprocess.run(
        [sys.executable, "-m", "otel_token_monitor", *arguments, "--data-dir", str(directory)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def fetched(address: str, path: str) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{address}{path}", timeout=60).raise_for_status().json()
    return document


def metrics(address: str) -> str:
    return httpx.get(f"{address}/metrics", timeout=60).raise_for_status().text


def budgets_shown(address: str) -> dict[str, int]:
    """What the gauges say is used of each budget."""
    return {
        sample.labels["budget"]: int(sample.value)
        for sample in samples(metrics(address), "llm_budget_used")
    }


def budgets_told(document: dict[str, Any]) -> dict[str, int]:
    """What a document says is used of each budget."""
    return {budget["budget"]: budget["used"] for budget in document["budgets"]}


def counted(address: str) -> int:
    return int(sum(sample.value for sample in samples(metrics(address), "llm_tokens_total")))


def looks(spender: Spender, address: str) -> dict[str, Look]:
    """Everywhere that a worker tells the tokens of today."""
    return {
        "summary": lambda: int(spender.summary()["daily"]["total_tokens"]),
        "/token-usage": lambda: int(fetched(address, "/token-usage")["daily"]["total_tokens"]),
        "counters": lambda: counted(address),
        "/token-status": lambda: int(fetched(address, "/token-status")["daily"]["total_tokens"]),
        "gauge": lambda: budgets_shown(address)["ledger/tokens/day"],
    }


def commands(directory: Path) -> dict[str, Look]:
    """Every command that tells them."""
    return {
        "status": lambda: int(command(directory, "status", "--json")["daily"]["total_tokens"]),
        "usage": lambda: int(
            command(directory, "usage", "--since", "today", "--json")["total"]["total_tokens"]
        ),
    }


@dataclass(frozen=True)
class Sighting:
    """What somebody said under way, and what all calls sent by then would use."""

    where: str
    tokens: int
    sent: int


@dataclass(frozen=True)
class Story:
    """What was seen under way and at the end, and what the server's replies said."""

    sightings: list[Sighting]
    calls: int
    replies: Counter[tuple[str, str]]
    finally_: dict[str, int]
    summaries: list[dict[str, Any]]
    documents: dict[str, dict[str, Any]]
    gauges: list[dict[str, int]]
    by_project_and_model: dict[tuple[str, str], int]

    @property
    def total(self) -> int:
        return self.replies.total()

    @property
    def wanted_of_budgets(self) -> dict[str, int]:
        def used(project: str | None = None, glob: str = "*") -> int:
            return sum(
                tokens
                for (of, model), tokens in self.replies.items()
                if project in {None, of} and fnmatchcase(model, glob)
            )

        return {
            "ledger/tokens/day": used(),
            "ledger/tokens/month": used(),
            "project:checkout/tokens/day": used("checkout"),
            "project:search/tokens/day": used("search"),
            "project:search/tokens/month": used("search"),
            "model:gpt-5*/tokens/day": used(glob="gpt-5*"),
            "model:embedder/tokens/day": used(glob="embedder"),
            "project:checkout/model:gpt-5*/tokens/month": used("checkout", "gpt-5*"),
        }


def not_before_midnight() -> None:
    """Have no day begin, in the time zone of the limits, while the test runs."""
    now = datetime.now(SEOUL)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), SEOUL)
    if midnight - now < LONG:
        time.sleep((midnight - now).total_seconds() + 1)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("total")
    directory, config = root / "ledger", root / "limits.json"
    TokenMonitorConfig(environ={}, **LIMITS).save_to_file(config)
    not_before_midnight()
    with ExitStack() as stack:
        demo = stack.enter_context(DemoServer())
        spenders = [
            stack.enter_context(
                Spender(
                    directory,
                    question={"server": demo.base_url},
                    config=str(config),
                    serve=True,
                )
            )
            for _ in range(WORKERS)
        ]
        addresses = [spender.reach() for spender in spenders]
        for spender in spenders:
            eventually(lambda spender=spender: spender.made() >= WARM_CALLS)  # type: ignore[misc]
        everywhere = {
            f"{where} of worker {number}": look
            for number, of in enumerate(zip(spenders, addresses, strict=True))
            for where, look in looks(*of).items()
        } | commands(directory)
        sightings = []
        for _ in range(ROUNDS):
            for where, look in everywhere.items():
                tokens = look()
                sent = sum(spender.sent() for spender in spenders)
                sightings.append(Sighting(where, tokens, sent))
        replies: Counter[tuple[str, str]] = Counter()
        for spender in spenders:
            replies += spender.replies()
        by_both = command(directory, "usage", "--since", "today", "--by", "project,model", "--json")
        return Story(
            sightings=sightings,
            calls=sum(spender.made() for spender in spenders),
            replies=replies,
            finally_={where: look() for where, look in everywhere.items()},
            summaries=[spender.summary() for spender in spenders],
            documents={
                "status": command(directory, "status", "--json"),
                "/token-usage": fetched(addresses[0], "/token-usage"),
                "/token-status": fetched(addresses[1], "/token-status"),
            },
            gauges=[budgets_shown(address) for address in addresses],
            by_project_and_model={
                (part["project"], part["model"]): part["total_tokens"] for part in by_both["usage"]
            },
        )


def test_under_load_no_total_falls(story: Story) -> None:
    seen = [sighting.tokens for sighting in story.sightings]
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1]


def test_under_load_no_total_is_more_than_was_sent(story: Story) -> None:
    assert [one for one in story.sightings if one.tokens > one.sent] == []


def test_in_the_end_everybody_says_what_the_replies_said(story: Story) -> None:
    assert story.finally_ == dict.fromkeys(story.finally_, story.total)
    assert len(story.finally_) == 5 * WORKERS + 2


def test_the_month_is_the_same(story: Story) -> None:
    documents = [*story.summaries, *story.documents.values()]
    assert [one["monthly"]["total_tokens"] for one in documents] == [story.total] * len(documents)


def test_calls_are_as_many_as_were_made(story: Story) -> None:
    documents = [*story.summaries, *story.documents.values()]
    assert [one["daily"]["requests"] for one in documents] == [story.calls] * len(documents)


def test_each_budget_is_used_as_far_as_its_own_replies_said(story: Story) -> None:
    assert [budgets_told(one) for one in story.summaries] == [story.wanted_of_budgets] * WORKERS
    assert {where: budgets_told(one) for where, one in story.documents.items()} == dict.fromkeys(
        story.documents, story.wanted_of_budgets
    )
    assert story.gauges == [story.wanted_of_budgets] * WORKERS


def test_who_spent_is_what_the_replies_said(story: Story) -> None:
    assert story.by_project_and_model == story.replies
    by_project: Counter[str] = Counter()
    by_model: Counter[str] = Counter()
    for (project, model), tokens in story.replies.items():
        by_project[project] += tokens
        by_model[model] += tokens
    for summary in story.summaries:
        shown = {name: sums["daily"]["total_tokens"] for name, sums in summary["projects"].items()}
        assert shown == by_project
        shown = {name: sums["daily"]["total_tokens"] for name, sums in summary["models"].items()}
        assert shown == by_model
