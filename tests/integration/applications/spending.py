"""An application of several threads that calls models until it is told to stop.

It does what its standard input says: a JSON line each, answered by another.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections import Counter
from typing import Any

import openai
from prometheus_client import CollectorRegistry

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.client import Client

THREADS = 4
PROJECTS = ("checkout", "search")
MESSAGES = [{"role": "user", "content": "Hello"}]
PAUSE_SECONDS = 0.005

Json = dict[str, Any]


def chat_usage() -> Json:
    """What a chat uses, as OpenAI says it."""
    prompt, completion = random.randrange(1, 5000), random.randrange(1, 2000)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": random.randrange(prompt)},
        "completion_tokens_details": {"reasoning_tokens": random.randrange(completion)},
    }


def responses_usage() -> Json:
    """What a response uses."""
    given, made = random.randrange(1, 5000), random.randrange(1, 2000)
    return {
        "input_tokens": given,
        "output_tokens": made,
        "total_tokens": given + made,
        "input_tokens_details": {"cached_tokens": random.randrange(given)},
        "output_tokens_details": {"reasoning_tokens": random.randrange(made)},
    }


def embeddings_usage() -> Json:
    """What embeddings use."""
    given = random.randrange(1, 5000)
    return {"prompt_tokens": given, "total_tokens": given}


class Spender:
    """Its threads; `sent` is what the calls so far will have used, `replies` what came back."""

    def __init__(self, server: str, arguments: Json) -> None:
        self._monitor = otel_token_monitor.instrument(
            registry=CollectorRegistry(), instrumentation="traceloop", port=0, **arguments
        )
        self._client = Client(server, asynchronous=False)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sent = 0
        self._replies: Counter[tuple[str, str]] = Counter()
        self._calls = 0
        self._threads = [
            threading.Thread(target=self._spend, args=(random.Random(number),))
            for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def _spend(self, chance: random.Random) -> None:
        kinds = (self._chat, self._stream, self._respond, self._embed, self._be_refused)
        while not self._stopping.wait(PAUSE_SECONDS):
            name = chance.choice(PROJECTS)
            with project(name):
                model, tokens = chance.choice(kinds)()
            with self._lock:
                self._calls += 1
                self._replies[name, model] += tokens

    def _will_use(self, usage: Json) -> Json:
        """Have the server say that a call used this."""
        with self._lock:
            self._sent += usage["total_tokens"]
        return {"extra_headers": {"x-demo-usage": json.dumps(usage)}}

    def _chat(self) -> tuple[str, int]:
        more = self._will_use(chat_usage())
        reply = self._client.api.chat.completions.create(
            model="gpt-5-mini", messages=MESSAGES, **more
        )
        return "gpt-5-mini", reply.usage.total_tokens

    def _stream(self) -> tuple[str, int]:
        more = self._will_use(chat_usage())
        chunks = self._client.api.chat.completions.create(
            model="gpt-5",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
            **more,
        )
        return "gpt-5", sum(chunk.usage.total_tokens for chunk in chunks if chunk.usage)

    def _respond(self) -> tuple[str, int]:
        more = self._will_use(responses_usage())
        reply = self._client.api.responses.create(model="o4-mini", input="Hello", **more)
        return "o4-mini", reply.usage.total_tokens

    def _embed(self) -> tuple[str, int]:
        more = self._will_use(embeddings_usage())
        reply = self._client.api.embeddings.create(model="embedder", input="Hello", **more)
        return "embedder", reply.usage.total_tokens

    def _be_refused(self) -> tuple[str, int]:
        refused = {"x-demo-status": "429"}
        try:
            self._client.api.chat.completions.create(
                model="gpt-5-mini", messages=MESSAGES, extra_headers=refused
            )
        except openai.RateLimitError:
            return "gpt-5-mini", 0
        raise AssertionError("the server did not refuse")

    # What can be asked for.

    def address(self) -> tuple[str, int] | None:
        return self._monitor.address

    def sent(self) -> int:
        with self._lock:
            return self._sent

    def calls(self) -> int:
        return self._calls

    def summary(self) -> Json:
        return self._monitor.get_usage_summary()

    def stop(self) -> list[tuple[str, str, int]]:
        """End the threads; what the replies added up to, by project and model."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        assert self._monitor.force_flush()
        return [(*key, tokens) for key, tokens in self._replies.items()]


def main() -> None:
    question = json.loads(sys.stdin.readline())
    spender = Spender(question["server"], question["arguments"])
    try:
        for line in sys.stdin:
            command, *arguments = json.loads(line)
            print(json.dumps(getattr(spender, command)(*arguments)), flush=True)  # noqa: T201
    finally:
        spender.stop()
        otel_token_monitor.uninstrument()


if __name__ == "__main__":
    main()
