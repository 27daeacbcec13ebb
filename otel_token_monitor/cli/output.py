"""What commands print: tables as wide as the terminal, JSON documents, sentences."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

__all__ = ["say", "show", "show_json", "terminal"]


def terminal() -> Console:
    """The terminal, or whatever stdout is instead; it knows of NO_COLOR."""
    return Console(highlight=False, emoji=False)


def show(view: Callable[[int], RenderableType]) -> None:
    """Print what is made for a width."""
    console = terminal()
    with console.capture() as capture:
        console.print(view(console.width))
    say(capture.get().rstrip("\n"))


def show_json(document: dict[str, Any]) -> None:
    """Print a document."""
    say(json.dumps(document, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a text.

    If nobody reads on (`| head`) the rest is dropped, and the command ends as it would have: a
    verdict must not depend on who listens.
    """
    try:
        # Styles are decided on already.
        click.echo(text, color=True)
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
