"""A demo server, and the real client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from otel_token_monitor.demo.server import DemoServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


@pytest.fixture
def client(server: DemoServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as made:
        yield made
