"""An application that begins a response in the background, or fetches one that another began.

Or a batch: of the two, what the question says.
"""

from __future__ import annotations

from typing import Any

import openai

import otel_token_monitor
from tests.integration.applications.application import asked, complaints, report

FETCHES = 5
POLLS = {"x-demo-polls": "2"}


def begin(client: openai.OpenAI, kind: str) -> Any:
    """A response or a batch, as it was created."""
    if kind == "batches":
        batch = client.batches.create(
            input_file_id="file-1",
            endpoint="/v1/responses",
            completion_window="24h",
            extra_headers=POLLS,
        )
        # A list tells of each, too, and is no call.
        list(client.batches.list())
        return batch
    return client.responses.create(
        model="gpt-5-mini", input="Hello there", background=True, extra_headers=POLLS
    )


def main() -> None:
    """Begin, or fetch several times, with two clients; report the id and the usage."""
    question = asked()
    with complaints() as said:
        otel_token_monitor.instrument(
            project=question["project"],
            data_dir=question["data_dir"],
            serve=False,
            instrumentation=question["instrumentation"],
        )
        clients = [openai.OpenAI(base_url=question["server"], api_key="k") for _ in range(2)]
        if question["id"] is None:
            made = begin(clients[0], question["kind"])
        for client in clients * FETCHES if question["id"] else ():
            made = getattr(client, question["kind"]).retrieve(question["id"])
        for client in clients:
            client.close()
        otel_token_monitor.uninstrument()
    usage = made.usage
    report(
        id=made.id,
        usage=None if usage is None else [usage.input_tokens, usage.output_tokens],
        complaints=said,
    )


if __name__ == "__main__":
    main()
