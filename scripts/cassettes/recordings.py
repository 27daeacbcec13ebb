"""Cassettes: YAML files with requests and their responses, as vcrpy writes them."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Recording", "recordings_in"]

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Which headers say how the body was sent, and not what it is.
_TRANSFER: Final = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One request and its response. Names of headers are in lower case.

    `body` is the response's as it was sent; `fields` and `files` are what the request's body has,
    a JSON object's or a form's.
    """

    name: str
    method: str
    uri: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[tuple[str, tuple[str, bytes]], ...] = ()

    @property
    def cassette(self) -> str:
        """The name of the cassette it is in."""
        return self.name.rpartition("#")[0]

    @property
    def base_url(self) -> str:
        """What the client was made with: all of the address before the resource's path."""
        url = urlsplit(self.uri)
        return f"{url.scheme}://{url.netloc}{self._split_path()[0]}"

    @property
    def path(self) -> str:
        """The resource's path, with the query."""
        query = urlsplit(self.uri).query
        return self._split_path()[1] + (f"?{query}" if query else "")

    @property
    def streams(self) -> bool:
        """Whether the caller asked for a stream, or got one."""
        asked = self.fields.get("stream") in {True, "true"}
        return asked or self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def text(self) -> str | None:
        """The response's body, decompressed; None if that is beyond the standard library."""
        encoding = self.headers.get("content-encoding", "identity")
        if encoding == "gzip":
            return gzip.decompress(self.body).decode("utf-8", "replace")
        if encoding == "deflate":
            return zlib.decompress(self.body).decode("utf-8", "replace")
        if encoding == "identity":
            return self.body.decode("utf-8", "replace")
        return None

    def _split_path(self) -> tuple[str, str]:
        path = urlsplit(self.uri).path
        for mark, kept in (("/v1/", 3), ("/openai/", 7)):
            at = path.find(mark)
            if at >= 0:
                return path[: at + kept], path[at + kept :]
        return "", path


def recordings_in(directory: Path) -> Iterator[Recording]:
    """What the cassettes in a directory have, in the order of their names.

    Raises ValueError for a file that is YAML and no cassette; other files are passed over.
    """
    for path in sorted([*directory.rglob("*.yaml"), *directory.rglob("*.yml")]):
        name = path.relative_to(directory).with_suffix("").as_posix()
        try:
            document = yaml.load(path.read_text("utf-8"), _LOADER)  # noqa: S506 - it is a safe one
            interactions = document["interactions"]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise ValueError(f"{name} is no cassette: {error!r}") from error
        for number, interaction in enumerate(interactions, 1):
            yield _recording(f"{name}#{number}", interaction)


def _recording(name: str, interaction: Any) -> Recording:
    request, response = interaction["request"], interaction["response"]
    headers = _headers(response.get("headers"))
    content_type = _headers(request.get("headers")).get("content-type", "")
    # Cassettes of vcrpy's first support of httpx have other names.
    status = response["status"]["code"] if "status" in response else response["status_code"]
    body = _bytes(response["body"] if "body" in response else response.get("content"))
    if _is_text(body):
        # What was decompressed when it was recorded often has its header left.
        headers.pop("content-encoding", None)
    fields, files = _asked(content_type, _bytes(request.get("body")))
    return Recording(
        name,
        request["method"].upper(),
        request["uri"],
        int(status),
        {key: value for key, value in headers.items() if key not in _TRANSFER},
        body,
        content_type,
        fields,
        files,
    )


def _headers(given: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        name.lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in (given or {}).items()
    }


def _bytes(body: Any) -> bytes:
    if isinstance(body, dict):
        body = body.get("string")
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else b""


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _asked(
    content_type: str, body: bytes
) -> tuple[dict[str, Any], tuple[tuple[str, tuple[str, bytes]], ...]]:
    """The fields and the files of a request's body."""
    if content_type.startswith("multipart/"):
        return _form(content_type, body)
    try:
        found = json.loads(body)
    except ValueError:
        return {}, ()
    return (found, ()) if isinstance(found, dict) else ({}, ())


def _form(
    content_type: str, body: bytes
) -> tuple[dict[str, Any], tuple[tuple[str, tuple[str, bytes]], ...]]:
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, Any] = {}
    files = []
    for part in form.walk():
        content: Any = None if part.is_multipart() else part.get_payload(decode=True)
        if content is None:
            continue
        name = str(part.get_param("name", header="content-disposition"))
        file_name = part.get_filename()
        if file_name is None:
            fields[name] = content.decode("utf-8", "replace")
        else:
            files.append((name, (file_name, content)))
    return fields, tuple(files)
