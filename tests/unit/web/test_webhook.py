"""`/alerts`: who may send, how much, and what the sender is told."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.alerts.receiver import MalformedPayloadError, parse
from otel_token_monitor.config import ConfigError
from otel_token_monitor.ledger.errors import LedgerBusyError
from otel_token_monitor.web.routes import create_app
from otel_token_monitor.web.webhook import MAX_BODY_BYTES
from tests.unit.web.ledgers import TOKEN, broken_sources, client_of, counts, reader_of, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


GIVEN = {"Authorization": "Bearer secret"}
NOT_CONFIGURED = (
    "no token is configured for /alerts: set TOKEN_ALERTS_TOKEN or TOKEN_ALERTS_TOKEN_FILE, and "
    "have the sender give it as `Authorization: Bearer TOKEN`"
)
NOT_AUTHORIZED = (
    "send the token of TOKEN_ALERTS_TOKEN or TOKEN_ALERTS_TOKEN_FILE as `Authorization: Bearer "
    "TOKEN`"
)


def post(
    body: bytes | Iterator[bytes] = b"[1, 2]",
    headers: Mapping[str, str] = GIVEN,
    *,
    receive: Callable[[bytes], Mapping[str, int]] = counts,
    token: str | None = TOKEN,
    path: str = "/alerts",
) -> Any:
    with reader_of() as reader:
        client = client_of(sources_of(reader, receive=receive, token=token))
        return client.post(path, content=body, headers=dict(headers))


def said(response: Any) -> tuple[int, Any]:
    return response.status_code, response.json()


def raising(error: Exception) -> Callable[[bytes], Mapping[str, int]]:
    def receive(body: bytes) -> Mapping[str, int]:
        del body
        raise error

    return receive


@pytest.mark.parametrize("path", ["/alerts", "/alerts/"])
def test_what_was_done_is_counted(path: str) -> None:
    assert said(post(path=path)) == (200, {"alerts": {"forwarded": 2}})


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "nonsense"])
def test_the_type_of_the_content_does_not_matter(content_type: str) -> None:
    assert post(headers={**GIVEN, "Content-Type": content_type}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_alerts_are_posted(method: str) -> None:
    with reader_of() as reader:
        client = client_of(sources_of(reader, receive=counts))
        assert client.request(method, "/alerts", headers=GIVEN).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer secre"},
        {"Authorization": "Bearer secret1"},
        {"Authorization": "Bearer secret secret"},
        {"Authorization": "Basic secret"},
        {"Authorization": "secret"},
    ],
)
def test_who_has_not_the_token_is_refused(headers: dict[str, str]) -> None:
    assert said(post(headers=headers)) == (401, {"error": NOT_AUTHORIZED})


def test_a_token_that_is_no_ascii_is_refused() -> None:
    with reader_of() as reader:
        client = client_of(sources_of(reader, receive=counts))
        response = client.post("/alerts", headers={b"Authorization": "Bearer é".encode()})
    assert response.status_code == 401


def test_who_is_refused_learns_the_scheme() -> None:
    assert post(headers={}).headers["www-authenticate"] == 'Bearer realm="alerts"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(scheme: str) -> None:
    assert post(headers={"Authorization": f"{scheme} secret"}).status_code == 200


def test_without_a_token_configured_nobody_may_send() -> None:
    assert said(post(token=None)) == (403, {"error": NOT_CONFIGURED})


def test_a_token_that_cannot_be_read_is_our_fault() -> None:
    def unreadable() -> str | None:
        raise ConfigError(["TOKEN_ALERTS_TOKEN_FILE: '/x' cannot be read: no such file"])

    with reader_of() as reader:
        asked = replace(sources_of(reader, receive=counts), alerts_token=unreadable)
        response = client_of(asked).post("/alerts", headers=GIVEN)
    assert response.status_code == 503
    assert "TOKEN_ALERTS_TOKEN_FILE: '/x' cannot be read: no such file" in response.json()["error"]


def test_a_body_of_the_largest_size_is_read() -> None:
    body = b"[1]".ljust(MAX_BODY_BYTES)
    assert said(post(body)) == (200, {"alerts": {"forwarded": 1}})


def test_a_body_that_says_it_is_larger_is_refused() -> None:
    body = b"[1]".ljust(MAX_BODY_BYTES + 1)
    assert said(post(body)) == (413, {"error": "the body has more than 1048576 bytes"})


async def test_of_a_body_that_is_too_large_no_more_is_read() -> None:
    taken = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b" " * 65536, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/alerts",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer secret")],
    }
    with reader_of() as reader:
        await create_app(sources_of(reader, receive=counts))(scope, receive, send)
    assert (sent[0]["status"], taken) == (413, MAX_BODY_BYTES // 65536 + 1)


def test_of_who_has_not_the_token_no_body_is_read() -> None:
    def body() -> Iterator[bytes]:
        yield b" " * (MAX_BODY_BYTES + 1)

    assert post(body(), headers={}).status_code == 401


def test_the_receiver_says_what_is_wrong_with_a_body() -> None:
    response = post(receive=raising(MalformedPayloadError("no JSON")))
    assert said(response) == (400, {"error": "no JSON"})


def test_after_ledger_trouble_the_sender_shall_try_again() -> None:
    response = post(receive=raising(LedgerBusyError("the ledger is locked")))
    assert said(response) == (503, {"error": "the ledger is locked"})


def test_the_receiver_works_in_a_worker_thread() -> None:
    seen: list[str] = []

    def receive(body: bytes) -> dict[str, int]:
        del body
        seen.append(threading.current_thread().name)
        return {}

    post(receive=receive)
    assert seen == ["AnyIO worker thread"]


def test_without_a_receiver_there_is_no_such_path() -> None:
    with reader_of() as reader:
        response = client_of(sources_of(reader)).post("/alerts", headers=GIVEN)
    assert response.status_code == 404


def parsed(body: bytes) -> dict[str, int]:
    return {"received": len(parse(body))}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ALERT = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | JSON,
        "labels": st.dictionaries(st.text(), st.text()) | JSON,
        "annotations": st.dictionaries(st.text(), st.text()) | JSON,
        "startsAt": st.datetimes().map(lambda when: f"{when.isoformat()}Z") | JSON,
        "fingerprint": st.text() | JSON,
    },
)
PAYLOAD = st.fixed_dictionaries(
    {"version": st.just("4") | JSON, "alerts": st.lists(ALERT) | JSON}, optional={"more": JSON}
)
FUZZED = client_of(
    replace(broken_sources(LedgerBusyError("locked")), receive=parsed, alerts_token=lambda: TOKEN)
)


@given(
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | PAYLOAD.map(lambda value: json.dumps(value).encode())
)
def test_any_body_is_taken_or_refused_with_a_reason(body: bytes) -> None:
    response = FUZZED.post("/alerts", content=body, headers=GIVEN)
    if response.status_code == 200:
        assert response.json() == {"alerts": {"received": len(json.loads(body)["alerts"])}}
    else:
        assert (response.status_code, bool(response.json()["error"])) == (400, True)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_a_body_that_is_no_payload_is_refused(body: bytes) -> None:
    assert post(body, receive=parsed).status_code == 400
