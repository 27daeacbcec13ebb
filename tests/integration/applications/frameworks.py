"""An application that calls models through LangChain."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import (
    asked,
    complaints,
    report,
    scrape,
    switch_on,
)
from tests.integration.applications.calls import TOOL
from tests.integration.applications.client import drive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Json = dict[str, Any]

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 200},
    "completion_tokens_details": {"reasoning_tokens": 100},
}
RESPONSES_USAGE = {
    "input_tokens": 1000,
    "output_tokens": 500,
    "total_tokens": 1500,
    "input_tokens_details": {"cached_tokens": 200},
    "output_tokens_details": {"reasoning_tokens": 100},
}


class City(BaseModel):
    """What is parsed into."""

    name: str
    people: int


class Models:
    """LangChain's models, led to the demo server."""

    def __init__(self, server: str) -> None:
        self._server = server

    def chat(self, **arguments: Any) -> ChatOpenAI:
        """A chat model; each of its calls uses 1000 and 500 tokens."""
        usage = RESPONSES_USAGE if arguments.get("use_responses_api") else USAGE
        headers = {"x-demo-usage": json.dumps(usage), **arguments.pop("headers", {})}
        kind: Any = ChatOpenAI
        model: ChatOpenAI = kind(
            model="gpt-5-mini",
            api_key="k",
            base_url=self._server,
            max_retries=0,
            default_headers=headers,
            **arguments,
        )
        return model

    def embeddings(self) -> OpenAIEmbeddings:
        """An embedding model; each of its calls uses 700 tokens."""
        kind: Any = OpenAIEmbeddings
        usage = json.dumps({"prompt_tokens": 700, "total_tokens": 700})
        model: OpenAIEmbeddings = kind(
            model="text-embedding-3-small",
            api_key="k",
            base_url=self._server,
            check_embedding_ctx_length=False,
            default_headers={"x-demo-usage": usage},
        )
        return model


async def invoke(models: Models) -> None:
    models.chat().invoke("Hello")


async def stream(models: Models) -> None:
    for _ in models.chat(stream_usage=True).stream("Hello"):
        pass


async def stream_without_usage(models: Models) -> None:
    for _ in models.chat(stream_usage=False).stream("Hello"):
        pass


async def stream_left(models: Models) -> None:
    for _ in models.chat(stream_usage=True).stream("Hello there, all of you"):
        break


async def batch(models: Models) -> None:
    models.chat().batch(["Hello", "Hello", "Hello"])


async def chain(models: Models) -> None:
    prompt = ChatPromptTemplate.from_messages([("user", "Hello {name}")])
    (prompt | models.chat()).invoke({"name": "you"})


async def structured(models: Models) -> None:
    models.chat().with_structured_output(City).invoke("Hello")


async def tools(models: Models) -> None:
    models.chat().bind_tools([TOOL]).invoke("Hello")


async def responses(models: Models) -> None:
    models.chat(use_responses_api=True).invoke("Hello")


async def embeddings(models: Models) -> None:
    models.embeddings().embed_query("Hello")


async def error(models: Models) -> None:
    models.chat(headers={"x-demo-status": "429"}).invoke("Hello")


async def ainvoke(models: Models) -> None:
    await models.chat().ainvoke("Hello")


async def astream(models: Models) -> None:
    async for _ in models.chat(stream_usage=True).astream("Hello"):
        pass


async def abatch(models: Models) -> None:
    await models.chat().abatch(["Hello", "Hello", "Hello"])


async def achain(models: Models) -> None:
    prompt = ChatPromptTemplate.from_messages([("user", "Hello {name}")])
    await (prompt | models.chat()).ainvoke({"name": "you"})


async def aerror(models: Models) -> None:
    await models.chat(headers={"x-demo-status": "429"}).ainvoke("Hello")


SYNC: tuple[Callable[[Models], Awaitable[None]], ...] = (
    invoke,
    stream,
    stream_without_usage,
    stream_left,
    batch,
    chain,
    structured,
    tools,
    responses,
    embeddings,
    error,
)
ASYNC: tuple[Callable[[Models], Awaitable[None]], ...] = (ainvoke, astream, abatch, achain, aerror)


async def make_all(models: Models, calls: tuple[Callable[[Models], Awaitable[None]], ...]) -> Json:
    """Make the calls, each as a project of its own; the errors that came."""
    errors: Json = {}
    for call in calls:
        with project(call.__name__):
            try:
                await call(models)
            except Exception as failure:  # noqa: BLE001 - reported
                errors[call.__name__] = type(failure).__name__
        gc.collect()
    return errors


def main() -> None:
    """Instrument in the order asked for, make the calls, and report."""
    question = asked()
    models = Models(question["server"])
    with complaints() as said:
        for name in question["instrumentations"]:
            switch_on(name)
        monitor = otel_token_monitor.instrument(
            data_dir=question["data_dir"], port=0, instrumentation="none"
        )
        gc.freeze()
        errors = drive(make_all(models, SYNC), asynchronous=False)
        errors |= drive(make_all(models, ASYNC), asynchronous=True)
        metrics = scrape(monitor)
        otel_token_monitor.uninstrument()
    report(metrics=metrics, errors=errors, complaints=said)


if __name__ == "__main__":
    main()
