"""How a command ends: its exit code, and what it says on the way."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from otel_token_monitor.config import ConfigError
from otel_token_monitor.ledger.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["EXIT_TROUBLE", "Commands", "stopping"]

EXIT_TROUBLE: Final = 3
"""Of all that goes wrong: 1 and 2 are verdicts of `check`."""

_ENDED_BY_USER: Final = 130
_NONE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType({})


class Commands(click.Group):
    """The group of commands, with one exit code for all that can go wrong.

    `homes` has the module of each command and its name there, the most used first. One is imported
    when it is run: `status` need not wait for what `serve` needs.
    """

    def __init__(
        self, *args: Any, homes: Mapping[str, tuple[str, str]] = _NONE, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._homes = homes
        for name in homes:
            # A stand-in, by which a misspelt name is recognised.
            self.add_command(click.Command(name))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they were added: the most used first."""
        del ctx
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None if there is none."""
        if cmd_name not in self._homes:
            return super().get_command(ctx, cmd_name)
        module, name = self._homes[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and end the process."""
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs) or 0)
        except click.ClickException as error:
            error.show()
            sys.exit(EXIT_TROUBLE)
        except click.Abort:
            sys.exit(_ENDED_BY_USER)
        except Exception:  # noqa: BLE001 - a bug: Python would exit with 1, which is a verdict
            traceback.print_exc()
            sys.exit(EXIT_TROUBLE)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command of a context; what may be expected to go wrong is not a crash."""
        try:
            return super().invoke(ctx)
        except (ConfigError, LedgerError) as error:
            raise click.ClickException(str(error)) from error


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM or a closed terminal sets; the second Ctrl-C is as usual."""
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(number, previous[number])
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    for number, handler in previous.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
