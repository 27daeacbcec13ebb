"""What the demo's application sends: made-up calls of three projects that look like real ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

__all__ = ["PROJECTS", "Call", "real_calls", "traffic"]

Endpoint = Literal["chat/completions", "responses", "embeddings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: `arguments` are those of the client's `create` for the endpoint."""

    project: str
    endpoint: Endpoint
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total_tokens(self) -> int | None:
        """What the demo server will say that it used, if it is told what to say."""
        said = self.arguments.get("extra_headers", {}).get("x-demo-usage")
        return None if said is None else int(json.loads(said)["total_tokens"])

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""
        return bool(self.arguments.get("stream"))


class _Size(NamedTuple):
    """Between how many tokens a kind of call takes, and makes; how many of these in thought."""

    given: tuple[int, int]
    made: tuple[int, int] = (0, 0)
    thought: tuple[int, int] = (0, 0)
    cached: float = 0.0


class _Kind(NamedTuple):
    """A kind of call, how often it comes, and what it is sent with."""

    weight: int
    endpoint: Endpoint
    model: str
    says: str
    size: _Size
    extra: dict[str, Any] = {}  # noqa: RUF012 - a constant, like all of the table below


_STREAM: Final = {"stream": True}
_METERED: Final = {"stream": True, "stream_options": {"include_usage": True}}
_TOOLS: Final = {
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "find_order",
                "description": "Find an order by its number",
                "parameters": {
                    "type": "object",
                    "properties": {"number": {"type": "integer"}},
                    "required": ["number"],
                },
            },
        }
    ]
}

_KINDS: Final[dict[str, tuple[_Kind, ...]]] = {
    "checkout": (
        _Kind(
            5,
            "chat/completions",
            "gpt-5-mini",
            "Where is my order 1042?",
            _Size((900, 2600), (70, 240), (64, 256), cached=0.5),
            _TOOLS,
        ),
        _Kind(
            3,
            "chat/completions",
            "gpt-5-mini",
            "Which of these two fits me?",
            _Size((700, 3200), (120, 480), (64, 448), cached=0.5),
            _METERED,
        ),
        _Kind(
            2,
            "responses",
            "gpt-4.1-mini",
            "Sum up this basket in a sentence.",
            _Size((250, 900), (30, 120)),
        ),
    ),
    "search": (
        _Kind(
            6,
            "embeddings",
            "text-embedding-3-small",
            "waterproof hiking boots, wide fit",
            _Size((600, 8000)),
        ),
        _Kind(
            4,
            "chat/completions",
            "gpt-4.1-mini",
            "Rank these twenty results.",
            _Size((1800, 5200), (40, 160), cached=0.7),
        ),
        _Kind(
            1,
            "responses",
            "gpt-4.1",
            "Rewrite this query in three ways.",
            _Size((200, 500), (60, 140)),
            _STREAM,
        ),
    ),
    "support": (
        _Kind(
            4,
            "responses",
            "gpt-5",
            "Find out why the refund failed.",
            _Size((2400, 9000), (300, 1400), (256, 2048), cached=0.6),
            _STREAM,
        ),
        _Kind(
            3,
            "chat/completions",
            "gpt-4o",
            "Answer this customer kindly.",
            _Size((1200, 4200), (150, 600), cached=0.4),
            _METERED,
        ),
        _Kind(
            1,
            "chat/completions",
            "gpt-4o",
            "Answer in the chat window.",
            _Size((1200, 4200), (150, 600)),
            _STREAM,
        ),
    ),
}
PROJECTS: Final = tuple(_KINDS)

# Of a thousand calls, so many fail like this, or succeed at the second attempt only.
_FAILURES: Final = ((25, {"x-demo-status": "429"}), (10, {"x-demo-status": "500"}))
_RETRIED: Final = 15
# Prompts are cached in blocks.
_BLOCK: Final = 128
_LEAST_CACHED: Final = 1024


def traffic(project: str, random: Random) -> Iterator[Call]:
    """The calls of a project, without end. Their headers tell the demo server what to answer."""
    kinds = _KINDS[project]
    weights = [kind.weight for kind in kinds]
    while True:
        (kind,) = random.choices(kinds, weights)
        headers = {
            "x-demo-usage": json.dumps(_usage(kind, random)),
            "x-demo-delay": f"{random.uniform(0.05, 0.35):.3f}",
            "x-demo-chunk-delay": "0.015",
            **_trouble(random),
        }
        arguments = {**_asked(kind.endpoint, kind.model, kind.says), **kind.extra}
        yield Call(
            project=project,
            endpoint=kind.endpoint,
            arguments={**arguments, "extra_headers": headers},
        )


def real_calls(model: str) -> Iterator[Call]:
    """A few small calls for OpenAI itself: a chat, a stream with usage, a response."""
    says = "Say hello in three words."
    for project, endpoint, extra in (
        ("checkout", "chat/completions", {}),
        ("search", "chat/completions", _METERED),
        ("support", "responses", {}),
    ):
        yield Call(
            project=project,
            endpoint=endpoint,  # type: ignore[arg-type] # they are literals above
            arguments={**_asked(endpoint, model, says), **extra},
        )


def _asked(endpoint: str, model: str, says: str) -> dict[str, Any]:
    if endpoint == "chat/completions":
        return {"model": model, "messages": [{"role": "user", "content": says}]}
    return {"model": model, "input": says}


def _trouble(random: Random) -> dict[str, str]:
    """The headers of a call that fails; mostly none."""
    drawn = random.randrange(1000)
    for share, headers in _FAILURES:
        if drawn < share:
            return headers
        drawn -= share
    if drawn < _RETRIED:
        return {"x-demo-fail-times": "1", "x-demo-key": f"{random.getrandbits(64):x}"}
    return {}


def _usage(kind: _Kind, random: Random) -> dict[str, Any]:
    """The usage of a call, in the form of its endpoint."""
    given = random.randint(*kind.size.given)
    thought = random.randint(*kind.size.thought) // 64 * 64
    made = random.randint(*kind.size.made) + thought
    cached = _cached(given, random) if random.random() < kind.size.cached else 0
    if kind.endpoint == "embeddings":
        return {"prompt_tokens": given, "total_tokens": given}
    names = ("input", "output") if kind.endpoint == "responses" else ("prompt", "completion")
    return {
        f"{names[0]}_tokens": given,
        f"{names[1]}_tokens": made,
        "total_tokens": given + made,
        f"{names[0]}_tokens_details": {"cached_tokens": cached},
        f"{names[1]}_tokens_details": {"reasoning_tokens": thought},
    }


def _cached(given: int, random: Random) -> int:
    """How many tokens of a prompt come from the cache, if it is long enough for that."""
    if given < _LEAST_CACHED:
        return 0
    return int(given * random.uniform(0.4, 0.9)) // _BLOCK * _BLOCK
