"""The types of the fields: what each takes from a file, a variable or an argument."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    Strict,
    StringConstraints,
)

from otel_token_monitor.config.amounts import COUNT, DOLLARS, SHARE, Amount
from otel_token_monitor.config.faults import PartsError
from otel_token_monitor.config.limits import (
    LimitSetting,
    ProjectLimits,
    ScopeLimits,
    model_limits,
    project_limits,
    read_limit,
)
from otel_token_monitor.config.timezones import check_timezone
from otel_token_monitor.usage import check_project

__all__ = [
    "FLAG",
    "TOKEN",
    "WEBHOOK_URL",
    "CostLimit",
    "CountLimit",
    "Directory",
    "Flag",
    "Host",
    "HostGlob",
    "Models",
    "Project",
    "Projects",
    "Provider",
    "Seconds",
    "Share",
    "TimeZone",
    "Token",
    "WebhookUrls",
    "Whole",
    "masked_url",
    "names",
    "pairs",
    "read_token",
    "upper",
]

FLAG: Final = "one of true, false, yes, no, on, off, 1, 0"

_BOOLEANS: Final = {
    word: value
    for value, words in {True: "true 1 yes on", False: "false 0 no off"}.items()
    for word in words.split()
}
# A comma within a URL separates nothing: the next one must begin after it.
_BETWEEN_URLS: Final = re.compile(r",\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)|,\s*$")


def _boolean(value: object) -> object:
    if isinstance(value, str | int):
        return _BOOLEANS.get(str(value).strip().lower(), value)
    return value


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a boolean is no number")  # noqa: TRY004 - Pydantic lets a TypeError pass
    return value


def _path(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _is_path(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("no path")
    return text


def names(value: object) -> object:
    """The parts of a text with commas, `a,b`; anything else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def pairs(value: object) -> object:
    """The mapping that a text with commas means, `a=x,b=y`; anything else as it is."""
    if isinstance(value, str):
        parts = (part.partition("=") for part in value.split(",") if part.strip())
        # A part without "=" has an empty second half, which is refused.
        return {first.strip(): second.strip() for first, _, second in parts}
    return value


def upper(value: object) -> object:
    """A text in capitals and without space around it; anything else as it is."""
    return value.strip().upper() if isinstance(value, str) else value


def _limit(amount: Amount, value: object) -> LimitSetting | None:
    return None if value is None else read_limit(value, amount)


def _text(value: object) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        raise ValueError("no text")  # noqa: TRY004 - Pydantic lets a TypeError pass
    return text.strip()


def _webhook_urls(value: object) -> tuple[SecretStr, ...]:
    if isinstance(value, str | SecretStr):
        value = [part for part in _BETWEEN_URLS.split(_text(value)) if part]
    if not isinstance(value, list | tuple):
        raise ValueError("no list")  # noqa: TRY004 - Pydantic lets a TypeError pass
    faults = []
    urls: dict[str, SecretStr] = {}
    for number, item in enumerate(value, 1):
        try:
            url = _text(item)
            masked_url(url)
        except ValueError:
            faults.append(
                f": address {number} of {len(value)} (a secret, not shown) is not {WEBHOOK_URL}"
            )
        else:
            urls[url] = SecretStr(url)
    if faults:
        raise PartsError(faults)
    return tuple(urls.values())


def masked_url(url: str) -> str:
    """The scheme and host of an http or https URL; the rest may be a secret.

    Raises ValueError if it is none.
    """
    parts = urlsplit(url)  # a ValueError: half an IPv6 address
    host, port = parts.hostname, parts.port  # a ValueError: a port that is none
    if parts.scheme not in {"http", "https"} or not host or " " in url or not url.isprintable():
        raise ValueError("no http or https URL with a host")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}/***"


def read_token(value: object) -> SecretStr | None:
    """A token that can stand in a header; None if there is none.

    Raises ValueError.
    """
    if value is None:
        return None
    text = _text(value)
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("no token")
    return SecretStr(text)


WEBHOOK_URL: Final = "an http or https URL with a host"
TOKEN: Final = "a token of printable ASCII characters without spaces"  # noqa: S105 - of any

Flag = Annotated[bool, BeforeValidator(_boolean), Strict()]
Whole = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(SHARE.read)]
Project = Annotated[str, AfterValidator(check_project)]
Directory = Annotated[str, BeforeValidator(_path), AfterValidator(_is_path)]
# Lengths have no place in these patterns: `{1,128}` takes 40 ms to compile.
Host = Annotated[str, StringConstraints(pattern=r"^[^\s\p{C}]+$")]
HostGlob = Annotated[str, StringConstraints(pattern=r"^[^\s\p{C}=/]+$")]
Provider = Annotated[str, StringConstraints(pattern=r"^[^\s\p{C}]+$", max_length=128)]
TimeZone = Annotated[str, AfterValidator(check_timezone)]
WebhookUrls = Annotated[tuple[SecretStr, ...], BeforeValidator(_webhook_urls)]
Token = Annotated[SecretStr | None, BeforeValidator(read_token)]
CountLimit = Annotated[LimitSetting | None, BeforeValidator(partial(_limit, COUNT))]
CostLimit = Annotated[LimitSetting | None, BeforeValidator(partial(_limit, DOLLARS))]
Projects = Annotated[dict[str, ProjectLimits], BeforeValidator(project_limits)]
Models = Annotated[dict[str, ScopeLimits], BeforeValidator(model_limits)]
