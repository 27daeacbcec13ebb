"""An application that begins a response in the background, or fetches one that another began."""

from __future__ import annotations

import openai

import otel_token_monitor
from tests.integration.applications.application import asked, complaints, report

FETCHES = 5


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
            response = clients[0].responses.create(
                model="gpt-5-mini", input="Hello there", background=True
            )
        for client in clients * FETCHES if question["id"] else ():
            response = client.responses.retrieve(question["id"])
        for client in clients:
            client.close()
        otel_token_monitor.uninstrument()
    usage = response.usage
    report(
        id=response.id,
        usage=None if usage is None else [usage.input_tokens, usage.output_tokens],
        complaints=said,
    )


if __name__ == "__main__":
    main()
