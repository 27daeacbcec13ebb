"""Asking a server over HTTP: what it answers, or why that is no answer, and what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from socket import gaierror
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

__all__ = [
    "Answer",
    "ApiError",
    "HttpApi",
    "RefusedError",
    "UnknownHostError",
    "WrongAnswerError",
]

_AGENT: Final = "otel-token-monitor"
_SHOWN: Final = 120
_ACCESS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class ApiError(Exception):
    """A server does not answer, or not as it should.

    `address` is whom we asked, without a password, `reason` what came instead, and `remedy` what to
    do; the message has all three.
    """

    def __init__(self, address: str, reason: str, remedy: str) -> None:
        super().__init__(f"{address} {reason}: {remedy}")
        self.address = address
        self.reason = reason
        self.remedy = remedy


class RefusedError(ApiError):
    """Nobody listens there."""


class UnknownHostError(ApiError):
    """Nobody has that name, as far as this machine knows."""


class WrongAnswerError(ApiError):
    """Something answers, but it is not the server that was meant, or it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered: the status, the type of the content, the body as text."""

    status: int
    content_type: str
    body: str


class HttpApi:
    """A server at an address such as http://localhost:9090 or https://user:password@host/path.

    `name` is what it should be, and `option` the option by which its address is given. Proxies,
    `.netrc` and certificates are those of the environment. `timeout` is in seconds, once for the
    connection and once for the answer. Raises ApiError for what is no address.
    """

    def __init__(self, address: str, *, name: str, option: str, timeout: float) -> None:
        self.name = name
        self.option = option
        self._timeout = timeout
        self._url = _url(address, option)
        self.address = _shown_address(self._url)
        """The address as it may be shown: no user, no password."""

    def answer(
        self, path: str, parameters: Mapping[str, str] | None = None, **request: Any
    ) -> Answer:
        """What it answers to GET, or to POST if `request` has `data`. Redirects are refused.

        Raises ApiError if nothing answers, and WrongAnswerError for a redirect, 401 or 403.
        """
        response = self._response(path, parameters, request)
        answer = Answer(
            status=response.status_code,
            content_type=response.headers.get("Content-Type", "").partition(";")[0].strip(),
            # What we ask says UTF-8 or nothing; `text` would guess, at length.
            body=response.content.decode("utf-8", "replace"),
        )
        if response.is_redirect:
            raise self._redirected(response.headers["Location"])
        if answer.status in _ACCESS and "data" not in request:
            remedy = f"give user and password in the address ({self.option} http://USER:PASSWORD@…)"
            raise WrongAnswerError(
                self.address, f"wants a password (it answers {answer.status})", remedy
            )
        return answer

    def read_json(self, answer: Answer) -> Any:
        """The JSON document of an answer. Raises WrongAnswerError."""
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self.wrong(answer) from None

    def wrong(self, answer: Answer, said: str = "") -> WrongAnswerError:
        """That an answer is not one of the server that was meant; `said` is its own error."""
        if said:
            remedy = f"see the log of {self.name}"
            return WrongAnswerError(self.address, f"answers {answer.status} ({said})", remedy)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            reason = f"answers {answer.status} ({_start(answer.body)})"
            remedy = f"it is starting, stopping or overloaded: try again, and see {self.name}'s log"
            return WrongAnswerError(self.address, reason, remedy)
        return WrongAnswerError(
            self.address, f"is not {self.name} (it answers {_kind(answer)})", self.elsewhere
        )

    @property
    def elsewhere(self) -> str:
        """What to do if it is somewhere else."""
        return f"give its address with {self.option}, with the path if it has one"

    def _response(
        self, path: str, parameters: Mapping[str, str] | None, request: Mapping[str, Any]
    ) -> requests.Response:
        # It takes 100 ms, and few commands need it.
        import requests  # noqa: PLC0415

        headers = {"User-Agent": _AGENT, **request.get("headers", {})}
        try:
            return requests.request(
                "POST" if "data" in request else "GET",
                self._url + path,
                params=parameters,
                data=request.get("data"),
                headers=headers,
                # What `.netrc` has for a host would take the place of a token.
                auth=_unchanged if "Authorization" in headers else None,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # What they say has the address in it, and the password.
            raise self._unreachable(error) from None

    def _unreachable(self, error: requests.RequestException) -> ApiError:
        from requests import exceptions  # noqa: PLC0415

        start = f"start {self.name}, or give its address with {self.option}"
        host = urlsplit(self.address).hostname
        # The first that fits: some are kinds of others.
        for kind, reason, remedy in (
            (
                exceptions.ProxyError,
                "cannot be reached through the proxy of the environment",
                f"set NO_PROXY={host}, or mend HTTP_PROXY and HTTPS_PROXY",
            ),
            (
                exceptions.SSLError,
                "has a certificate that is not accepted, or speaks no TLS",
                "set REQUESTS_CA_BUNDLE to the file of your authority, or give an http:// address",
            ),
            (
                exceptions.Timeout,
                f"does not answer within {self._timeout:g} s",
                f"it hangs or a firewall is between; or give the address with {self.option}",
            ),
        ):
            if isinstance(error, kind):
                return ApiError(self.address, reason, remedy)
        cause = _cause(error)
        if isinstance(cause, ConnectionRefusedError):
            return RefusedError(self.address, "refuses the connection", start)
        if isinstance(cause, gaierror):
            reason = f"has a host that is not known here ({host})"
            return UnknownHostError(self.address, reason, self.elsewhere)
        if isinstance(cause, OSError) and cause.strerror:
            return ApiError(self.address, f"cannot be reached ({cause.strerror})", start)
        return ApiError(
            self.address, f"does not speak HTTP as it should ({type(cause).__name__})", start
        )

    def _redirected(self, location: str) -> WrongAnswerError:
        to = _shown_address(location.partition("?")[0])
        return WrongAnswerError(
            self.address,
            f"redirects to {to}",
            f"give the address that it leads to with {self.option}; if that is a login page, one "
            "that asks for no login",
        )


def _url(address: str, option: str) -> str:
    url = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = None
    if not valid:
        # Its shape is not known, so neither is where a password would be.
        shown = address.rpartition("@")[2] or "''"
        raise ApiError(shown, "is no address", f"{option} takes one such as http://localhost:9090")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _shown_address(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _cause(error: BaseException) -> BaseException:
    """What is at the bottom of an error: requests and urllib3 wrap it."""
    seen: list[BaseException] = []
    while error not in seen:
        seen.append(error)
        wrapped = [one for one in error.args if isinstance(one, BaseException)]
        reason = getattr(error, "reason", None)
        if isinstance(reason, BaseException):
            error = reason
        elif wrapped:
            error = wrapped[-1]
        elif error.__cause__ is not None:
            error = error.__cause__
        elif error.__context__ is not None:
            error = error.__context__
    return error


def _kind(answer: Answer) -> str:
    if answer.status != HTTPStatus.OK:
        said = _start(answer.body) if answer.content_type == "text/plain" else ""
        return f"{answer.status}: {said}" if said else str(answer.status)
    if answer.content_type == "text/html":
        return "a page of HTML"
    if answer.content_type == "application/json":
        return "other JSON"
    return answer.content_type or "no type of content"


def _start(body: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in body).split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
