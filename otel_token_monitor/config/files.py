"""Configuration files: YAML or JSON, a mapping of keys to values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.config.faults import ConfigError, shown
from otel_token_monitor.replacing import replaced_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["read_file", "write_file"]


def read_file(path: str, source: str) -> dict[Any, object]:
    """The mapping that a file holds; an empty file holds an empty one.

    Raises ConfigError.
    """
    parse = _PARSERS.get(Path(path).suffix.lower())
    if parse is None:
        raise ConfigError(
            [f"{source}: {shown(path)} is not a file that ends in .yaml, .yml or .json"]
        )
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: byte {error.start} is not UTF-8 text"]) from None
    except (OSError, ValueError) as error:  # a ValueError: the path holds a null or a surrogate
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError([f"{source}: {shown(path)} cannot be read: {reason}"]) from None
    try:
        document = parse(text)
    except _SyntaxFault as fault:
        raise ConfigError([f"{path}: {fault}"]) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError([f"{path}: {shown(document)} is not a mapping of keys to values"])
    return document


def write_file(path: str, document: Mapping[str, object], *, mode: int = 0o600) -> None:
    """Replace a file at once by one that holds the document; by default only its owner can read it.

    Missing directories are made. Raises ConfigError.
    """
    emit = _EMITTERS.get(Path(path).suffix.lower())
    if emit is None:
        raise ConfigError([f"{shown(path)} is not a file that ends in .yaml, .yml or .json"])
    try:
        content = emit(document).encode()
        with replaced_file(Path(path), mode) as file:
            file.write(content)
    except (OSError, ValueError) as error:  # a ValueError: the path holds a null or a surrogate
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError([f"{shown(path)} cannot be written: {reason}"]) from None


class _SyntaxFault(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with a text, and in which line if that is known."""


def _parse_json(text: str) -> object:
    try:
        return json.loads(text) if text.strip() else None
    except json.JSONDecodeError as error:
        raise _SyntaxFault(f"line {error.lineno}: {error.msg}") from None
    except (RecursionError, ValueError) as error:  # a ValueError: a number of thousands of digits
        raise _SyntaxFault(f"not usable JSON: {error!s:.80}") from None


def _parse_yaml(text: str) -> object:
    # Imported here: it takes some 17 ms, and few users have such a file.
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _SyntaxFault(f"line {line}: {error.reason}") from None
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise _SyntaxFault(f"{where}{error.problem or error.context}") from None
    # PyYAML lets through what Python says of `!!int ""`, `!!bool maybe`, `2026-02-31` and the like.
    except (ArithmeticError, AttributeError, LookupError, RecursionError, ValueError) as error:
        raise _SyntaxFault(f"not usable YAML: {error!s:.80}") from None


_PARSERS: Final[Mapping[str, Callable[[str], object]]] = {
    ".json": _parse_json,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}


def _emit_json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _emit_yaml(document: Mapping[str, object]) -> str:
    # Imported here: see above.
    import yaml  # noqa: PLC0415

    if not document:
        return "# the defaults\n"
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    if any(mark in text for mark in _LINE_ENDS):
        # PyYAML writes these as they are, and reads them as the end of a line.
        text = yaml.safe_dump(document, sort_keys=False)
    return text


_LINE_ENDS: Final = ("\x85", "\u2028", "\u2029")


_EMITTERS: Final[Mapping[str, Callable[[Mapping[str, object]], str]]] = {
    ".json": _emit_json,
    ".yaml": _emit_yaml,
    ".yml": _emit_yaml,
}
