"""An application that is watched and that logs its calls by hand, too, as it did before."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
from prometheus_client import CollectorRegistry, generate_latest

import otel_token_monitor
from otel_token_monitor import TokenMonitor, TokenMonitorConfig, project
from tests.integration.applications.application import asked, complaints, report
from tests.integration.applications.client import Client

MODEL = "gpt-5-mini"
MESSAGES = [{"role": "user", "content": "Hello there"}]
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
WITH_USAGE = {"x-demo-usage": json.dumps(USAGE)}


class Application:
    """Its calls; each is to count for the project that it is logged under."""

    def __init__(self, server: str, monitor: TokenMonitor) -> None:
        self.monitor = monitor
        self.client = Client(server, asynchronous=False)
        self.aclient = Client(server, asynchronous=True)

    def call(self, **arguments: Any) -> Any:
        given = {"model": MODEL, "messages": MESSAGES, "extra_headers": WITH_USAGE, **arguments}
        return self.client.api.chat.completions.create(**given)

    async def acall(self, **arguments: Any) -> Any:
        given = {"model": MODEL, "messages": MESSAGES, "extra_headers": WITH_USAGE, **arguments}
        return await self.aclient.api.chat.completions.create(**given)

    def log(self, project_id: str | None, **more: Any) -> None:
        """Log what each call here uses."""
        given: dict[str, Any] = {
            "model": MODEL,
            "input_tokens": 100,
            "output_tokens": 50,
            "endpoint": "chat_completion",
            "cached_tokens": 30,
            "cache_write_tokens": 10,
            "reasoning_tokens": 20,
        }
        self.monitor.log_usage(
            self.monitor.create_usage_record(**{**given, "project_id": project_id, **more})
        )

    def one_after_the_other(self) -> None:
        """Some with a pause between the call and its being logged."""
        for _ in range(20):
            self.call()
            self.log("loop")

    def every_other_one(self) -> None:
        for number in range(20):
            with project("not logged"):
                self.call()
            if number % 2:
                self.log("every other")

    def named_by_the_context(self) -> None:
        with project("context"):
            self.call()
            self.log(None)
        with project("context"):
            self.call()
        self.log(None)

    def known_by_its_id(self) -> None:
        first, second = self.call(), self.call()
        self.log("second id", response_id=second.id)
        self.log("first id", response_id=first.id)

    def in_threads(self) -> None:
        def many(thread: int) -> None:
            for _ in range(50):
                self.call()
                self.log(f"thread {thread}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(many, range(8)))

    def streams(self) -> None:
        for _ in range(3):
            for chunk in self.call(**STREAM):
                if chunk.usage:
                    self.log("stream, from within")
        for _ in range(3):
            for _chunk in self.call(**STREAM):
                pass
            self.log("stream, afterwards")

    def a_stream_without_usage(self) -> None:
        for _ in self.call(stream=True):
            pass
        self.log("counted by the application")
        for _ in self.call(stream=True):
            pass
        self.log(
            "estimated", cached_tokens=0, cache_write_tokens=0, reasoning_tokens=0, estimated=True
        )

    def a_refused_call(self) -> None:
        try:
            self.call(extra_headers={"x-demo-status": "429"})
        except openai.RateLimitError as error:
            failed = {"status": "error", "error_type": type(error).__name__}
            record = self.monitor.create_usage_record(MODEL, project_id="refused", **failed)  # type: ignore[arg-type]
            self.monitor.log_usage(record)

    def without_a_span(self) -> None:
        for _ in range(5):
            self.log("no span", model="another-model")

    async def at_once(self) -> None:
        async def one(task: int) -> None:
            await self.acall()
            self.log(f"task {task % 5}")

        await asyncio.gather(*(one(task) for task in range(50)))

    async def at_once_and_logged_afterwards(self) -> None:
        for response in await asyncio.gather(*(self.acall() for _ in range(20))):
            self.log("gathered", input_tokens=response.usage.prompt_tokens)

    async def a_stream_that_another_task_reads(self) -> None:
        stream = await self.acall(**STREAM)

        async def read() -> None:
            async for chunk in stream:
                if chunk.usage:
                    self.log("another task")

        await asyncio.create_task(read())

    async def as_the_original_says(self) -> None:
        """Sample 4 of the module that this product grew out of, with both clients."""
        monitor = self.monitor
        client = self.aclient.api

        async def chat_with_monitoring(messages: list[dict[str, str]]) -> Any:
            response = await client.chat.completions.create(
                model="gpt-5-mini",
                messages=messages,
                max_completion_tokens=500,
            )
            if hasattr(response, "usage") and response.usage:
                usage = monitor.create_usage_record(
                    model="gpt-5-mini",
                    input_tokens=response.usage.prompt_tokens,
                    output_tokens=response.usage.completion_tokens,
                    endpoint="chat_completion",
                    project_id="my_project",
                )
                monitor.log_usage(usage)
            return response

        used = (await chat_with_monitoring(MESSAGES)).usage
        self.sample = used.total_tokens

    async def run(self) -> None:
        self.one_after_the_other()
        self.every_other_one()
        self.named_by_the_context()
        self.known_by_its_id()
        self.in_threads()
        self.streams()
        self.a_stream_without_usage()
        self.a_refused_call()
        self.without_a_span()
        await self.at_once()
        await self.at_once_and_logged_afterwards()
        await self.a_stream_that_another_task_reads()
        await self.as_the_original_says()


def main() -> None:
    question = asked()
    registry = CollectorRegistry()
    with complaints() as said:
        watching = otel_token_monitor.instrument(
            project="watched",
            data_dir=question["data_dir"],
            instrumentation=question["instrumentation"],
            registry=registry,
            serve=False,
        )
        config = TokenMonitorConfig(data_dir=question["data_dir"], project="by hand")
        application = Application(question["server"], TokenMonitor(config=config))
        asyncio.run(application.run())
        watching.force_flush()
        metrics = generate_latest(registry).decode()
        otel_token_monitor.uninstrument()
    report(metrics=metrics, sample=application.sample, complaints=said)


if __name__ == "__main__":
    main()
