"""Which calls count, and for how much: a table of kinds of calls, beside three instrumentations.

`python -m benchmarks.coverage` prints it, with `--write` into the README; `--check` tells whether
the README has what is true now. The calls are made by OpenAI's real client, sync and async, to the
bundled server, which is told what usage each call has: see `coverage_calls`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.coverage_calls import OURS
from benchmarks.measure import Row, run_script
from otel_token_monitor.demo.server import DemoServer

WAYS: Final = {
    "Traceloop": "traceloop",
    "official": "official",
    "OpenInference": "openinference",
    "ours": OURS,
}
README: Final = Path(__file__).parents[1] / "README.md"

RIGHT, ZERO, MISSING, ESTIMATED, WRONG = "✓", "zero", "missing", "estimated", "wrong"

# A kind is a function of `tests.integration.applications.calls`, or of `coverage_calls`.
ROWS: Final[dict[str, tuple[str, ...]]] = {
    "chat: plain, tools, `n=2`, `parse`, cut by a limit": (
        "chat",
        "chat_tools",
        "chat_two_choices",
        "chat_parse",
        "chat_cut_by_limit",
    ),
    "chat: `parse` raises, as a limit cut the JSON": ("chat_parse_cut_by_limit",),
    "chat stream with `include_usage`": (
        "chat_stream",
        "chat_stream_tools",
        "chat_stream_two_choices",
        "chat_stream_within",
        "chat_stream_helper",
    ),
    "chat stream without `include_usage`, at OpenAI": ("chat_stream_without_usage",),
    "responses: plain, `parse`, stream": (
        "responses",
        "responses_parse",
        "responses_stream",
        "responses_stream_helper",
    ),
    "responses: `incomplete`": ("responses_incomplete",),
    "responses stream: `incomplete`": ("responses_stream_incomplete",),
    "responses, retrieved twice more": ("responses_retrieved_twice",),
    "responses in the background, polled": (
        "responses_background",
        "responses_background_polled",
    ),
    "batches, polled": ("batches_polled",),
    "`with_raw_response`: chat, responses": ("chat_raw", "responses_raw"),
    "`with_raw_response`: embeddings": ("embeddings_raw",),
    "`with_raw_response` + stream: chat": ("chat_raw_stream",),
    "`with_raw_response` + stream: responses": ("responses_raw_stream",),
    "`with_streaming_response`: chat": ("chat_streaming_response",),
    "`with_streaming_response`: responses": ("responses_streaming_response",),
    "`with_streaming_response` + stream: chat": ("chat_streaming_response_stream",),
    "text completions, also as a stream with `include_usage`": (
        "completions",
        "completions_stream",
    ),
    "… as a stream without `include_usage`, at OpenAI": ("completions_stream_without_usage",),
    "embeddings": ("embeddings",),
    "images: generated, as a stream, edited": ("images", "images_stream", "images_edit"),
    "audio: transcription, as a stream, speech as events": (
        "transcription",
        "transcription_stream",
        "speech_events",
    ),
    "Azure, OpenRouter, Groq, vLLM, unknown hosts": tuple(
        f"{kind}_at_{host}"
        for host in ("azure", "openrouter", "groq", "vllm", "unknown")
        for kind in ("chat", "chat_stream", "responses", "embeddings")
    ),
    "tried three times by the client": ("chat_retried",),
    "stream left midway: `break`, `close`, exception, never read": (
        "chat_stream_left",
        "chat_stream_forgotten",
        "chat_stream_never_read",
        "chat_stream_left_in_error",
        "responses_stream_left",
        "responses_stream_forgotten",
    ),
    "stream cut off, cancelled": (
        "chat_stream_lost",
        "chat_stream_cancelled",
        "responses_stream_lost",
    ),
    "refused (400, 401, 429, 500), text completions too": (
        "chat_error_400",
        "chat_error_401",
        "chat_error_429",
        "chat_error_500",
        "chat_stream_error_429",
        "completions_error_429",
        "embeddings_error_429",
        "responses_error_429",
    ),
    "no answer: timeout, no connection, connection lost": (
        "chat_timeout",
        "chat_refused",
        "chat_lost",
    ),
    "cancelled before the answer": ("chat_cancelled", "responses_cancelled"),
    "answered without usage": ("chat_without_usage",),
}

# The server has sent only some of what it will be paid for.
_LEFT: Final = {
    *ROWS["stream left midway: `break`, `close`, exception, never read"],
    *ROWS["stream cut off, cancelled"],
}
_NO_USAGE: Final = {"chat_without_usage"}

_BEGIN, _END = "<!-- coverage -->", "<!-- /coverage -->"
_LEGEND: Final = """\
✓: all input and output tokens, once; where there are none to know, a request. zero: a request
without its tokens. missing: no request. ×2: counted twice. estimated: the usage never came; a
request with its reason, and an estimate that is kept apart. Calls of openai {openai}'s client, sync
and async. Of Traceloop's instrumentation {traceloop}, the official one {official} and
OpenInference's {openinference} the tokens on all spans of a call are added up; ours is the ledger's
word, with capture alone (`wire`). Made by `python -m benchmarks.coverage --write`."""
_PACKAGES: Final = {
    "openai": "openai",
    "traceloop": "opentelemetry-instrumentation-openai",
    "official": "opentelemetry-instrumentation-genai-openai",
    "openinference": "openinference-instrumentation-openai",
}

Said = dict[str, Any]
"""Of one call: the usage that the client `received`, its `error`, the usage that was `sent`; and
what is said of it: `requests`, `input`, `output`, `estimated`."""
Verdicts = dict[str, dict[str, str]]
"""Of each way, the verdict of each call: `sync chat`, …"""


def verdicts() -> Verdicts:
    """Make all calls in each way, and judge."""
    with DemoServer() as server, ThreadPoolExecutor(2) as pool:

        def ask(way: str) -> dict[str, Said]:
            said: dict[str, Said] = run_script(
                "benchmarks.coverage_calls", way, server.base_url, PYTHONWARNINGS="ignore"
            )
            return said

        answers = dict(zip(WAYS, pool.map(ask, WAYS.values()), strict=True))
    kinds = {kind for row in ROWS.values() for kind in row}
    made = {name.partition(" ")[2] for name in answers["ours"]}
    assert kinds == made, f"in only one of the table and the calls: {sorted(kinds ^ made)}"
    return {
        way: {name: _verdict(name.partition(" ")[2], said) for name, said in answer.items()}
        for way, answer in answers.items()
    }


def _verdict(kind: str, said: Said) -> str:
    counted = said["input"], said["output"]
    known = _known(kind, said)
    if not said["requests"]:
        verdict = MISSING
    elif said["estimated"]:
        verdict = ESTIMATED
    elif counted == (known or (0, 0)):
        verdict = RIGHT
    elif not any(counted):
        verdict = ZERO
    else:
        times = counted[0] // known[0] if known else 0
        multiplied = known is not None and counted == (times * known[0], times * known[1])
        verdict = f"×{times}" if multiplied else WRONG
    return verdict


def _known(kind: str, said: Said) -> tuple[int, int] | None:
    """Input and output tokens that the caller has, could have, or will pay; None: nobody knows."""
    usage = said["received"]
    if usage is None:
        if kind in _NO_USAGE or (said["error"] is not None and kind not in _LEFT):
            return None
        usage = said["sent"]
    given = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    return given, usage.get("completion_tokens", usage.get("output_tokens", 0))


def table(found: Verdicts) -> str:
    """The verdicts as Markdown."""
    lines = [
        f"| call | {' | '.join(found)} |",
        f"|---|{'---|' * len(found)}",
        *(
            f"| {title} | {' | '.join(_cell(kinds, found[way]) for way in found)} |"
            for title, kinds in ROWS.items()
        ),
    ]
    right = [_total(Counter(of.values())) for of in found.values()]
    lines.append(f"| **right, of {len(found['ours'])} calls** | {' | '.join(right)} |")
    return "\n".join(lines)


def _total(counts: Counter[str]) -> str:
    estimated = f", {counts[ESTIMATED]} estimated" if counts[ESTIMATED] else ""
    return f"**{counts[RIGHT]}**{estimated}"


def _cell(kinds: tuple[str, ...], found: dict[str, str]) -> str:
    """What is found of a row's kinds; of sync and async separately, if they differ."""
    of_modes = {
        mode: [found[name] for kind in kinds if (name := f"{mode} {kind}") in found]
        for mode in ("sync", "async")
    }
    several = {mode: _several(of_mode) for mode, of_mode in of_modes.items() if of_mode}
    if len({frozenset(of_mode) for of_mode in of_modes.values() if of_mode}) == 1:
        every = [verdict for of_mode in of_modes.values() for verdict in of_mode]
        return _several(every, uncounted=len(set(every)) == 1)
    return ", ".join(f"{mode} {text}" for mode, text in several.items())


def _several(of_kinds: list[str], *, uncounted: bool = False) -> str:
    counts = Counter(of_kinds)
    if uncounted or len(counts) == 1:
        return of_kinds[0]
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def section(found: Verdicts) -> str:
    """What stands in the README between the markers."""
    versions = {name: version(package) for name, package in _PACKAGES.items()}
    return f"{_BEGIN}\n{table(found)}\n\n{_LEGEND.format(**versions)}\n{_END}"


def run() -> list[Row]:
    """The table, and its last line as a comparison."""
    found = verdicts()
    print(table(found), end="\n\n", flush=True)
    right = {way: Counter(of.values())[RIGHT] for way, of in found.items()}
    ours = Counter(found["ours"].values())
    best = max(count for way, count in right.items() if way != "ours")
    total = len(found["ours"])
    return [
        Row(
            f"calls counted right, of {total} ({ours[ESTIMATED]} estimated) / the best of others",
            str(right["ours"]),
            str(best),
            f"{right['ours'] / best:.3g}×",
            "all others",
            ours[RIGHT] + ours[ESTIMATED] == total,
        )
    ]


def main() -> int:
    """Print the section, write it, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--write", action="store_true", help="write it into the README")
    chosen.add_argument("--check", action="store_true", help="1 unless the README has it already")
    arguments = parser.parse_args()
    made = section(verdicts())
    text = README.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.DOTALL)
    if arguments.write:
        if not marked.search(text):
            parser.error(f"{README.name} has no {_BEGIN} … {_END}")
        README.write_text(marked.sub(lambda _: made, text), encoding="utf-8")
    elif arguments.check:
        if made not in text:
            print(f"{README.name} is out of date: run `python -m benchmarks.coverage --write`")
            return 1
    else:
        print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
