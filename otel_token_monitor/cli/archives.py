"""`export` and `import`: single calls in files."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from otel_token_monitor.archives.contents import Days
from otel_token_monitor.archives.exporting import export_file, export_to
from otel_token_monitor.archives.formats import READABLE, Format, format_of
from otel_token_monitor.budgets.windows import day_of
from otel_token_monitor.cli.dates import day_option
from otel_token_monitor.cli.options import config_file, data_dir, location, reading, zone_of
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.usage import QUARTER_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from otel_token_monitor.archives.contents import Progress, Written
    from otel_token_monitor.archives.exporting import Exported
    from otel_token_monitor.ledger.importing import ImportResult
    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["export_command", "import_command"]

_STREAM: Final = "-"


def _format_option(formats: tuple[Format, ...]) -> Callable[[Any], Any]:
    return click.option(
        "--format",
        "form",
        type=click.Choice([str(form) for form in formats], case_sensitive=False),
        callback=lambda _context, _option, value: None if value is None else Format(value),
        help="What FILE is. [default: as its suffix says]",
    )


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--since",
    callback=day_option,
    metavar="DAY",
    help="The first day: 2026-11-01, today, yesterday, or 7d for the last seven days. "
    "[default: that of the first call]",
)
@click.option("--until", callback=day_option, metavar="DAY", help="The last day. [default: today]")
@_format_option(tuple(Format))
@data_dir
@config_file
@click.pass_obj
def export_command(clock: Callable[[], int], /, **options: Any) -> None:
    """Write single calls to FILE, to keep or to import elsewhere; - is standard output.

    \b
    otel-token-monitor export calls.json
    otel-token-monitor export calls.csv --since 2026-09-01 --until 2026-09-05
    otel-token-monitor export - --format json --since 7d | jq '.calls[].model'
    otel-token-monitor export history.om

    Formats: json (.json), csv (.csv), zip (.zip) and openmetrics (.om, .openmetrics, .txt), whose
    counters with timestamps `promtool tsdb create-blocks-from openmetrics` turns into blocks for
    Prometheus. --since and --until are both part of it, in the time zone of the limits.

    Exits 0, or 3 if the ledger cannot be read or the file cannot be written.
    """  # noqa: D301 - the backspace keeps click from joining the lines
    path = options["file"]
    form = _form(path, options["form"], tuple(Format))
    with reading(options["config"], options["data_dir"]) as (reader, settings), reader.moment():
        now_ns = clock()
        days = _days(options, reader, zone_of(reader, settings), now_ns)
        with _progress("Exporting") as on_progress, _files():
            asked: dict[str, Any] = {"now_ns": now_ns, "on_progress": on_progress}
            written: Written | Exported
            if path == _STREAM:
                written = _to_stream(reader, days, form, **asked)
            else:
                written = export_file(reader, days, form, path, **asked)
    where = "standard output" if path == _STREAM else path
    click.echo(f"{_counted(written.calls, written.sums)} of {days} written to {where}", err=True)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--replace",
    is_flag=True,
    help="Give up all that the ledger has of the file's days for what the file has.",
)
@_format_option(READABLE)
@data_dir
@config_file
def import_command(**options: Any) -> None:
    """Count the calls in FILE, which an export wrote: all of them, or none.

    Calls that the ledger has already are left alone. Those that are new count in reports and
    budgets, by the time at which they were made; never in the counters that Prometheus sees.

    \b
    otel-token-monitor import calls.json
    otel-token-monitor import calls.csv --replace

    Formats: json (.json), csv (.csv) and zip (.zip). A ledger is made if there is none.

    Exits 0, or 3 if the file is broken or does not fit the ledger; then nothing was imported.
    """  # noqa: D301 - the backspace keeps click from joining the lines
    from otel_token_monitor.archives.importing import ArchiveImport  # noqa: PLC0415 - slow, and of this command only

    path = options["file"]
    form = _form(path, options["form"], READABLE)
    settings = TokenMonitorConfig(file=options["config"], data_dir=options["data_dir"])
    place = location(settings)
    is_new = place.path is not None and not place.path.exists()
    with _progress("Importing") as on_progress, _files():
        archive = ArchiveImport(path, form, merge=not options["replace"], on_progress=on_progress)
        result = archive.into(place)
    made = f"; the ledger {place} was made" if is_new else ""
    click.echo(f"{_imported(result)}{made}")


def _form(path: str, named: Format | None, formats: tuple[Format, ...]) -> Format:
    """What a file is. Raises UsageError if nothing tells, or it is nothing of use here."""
    form = named or format_of(path)
    if form is None or form not in formats:
        message = f"what is {path}? Name a --format: {', '.join(formats)}"
        raise click.UsageError(message)
    return form


def _days(options: dict[str, Any], reader: LedgerReader, zone: ZoneInfo, now_ns: int) -> Days:
    """The days asked for: from that of the first call to today, or to that of the last call."""
    today = day_of(now_ns, zone)
    first, last = today, today
    extent = reader.extent()
    if extent is not None:
        first = day_of(extent[0] * QUARTER_NS, zone)
        last = max(today, day_of(extent[1] * QUARTER_NS, zone))
    until: date = last if options["until"] is None else options["until"](today)
    since: date = min(first, until) if options["since"] is None else options["since"](today)
    if since > until:
        message = f"--since {since} is after --until {until}: exchange them"
        raise click.UsageError(message)
    try:
        return Days.of(since, until, zone)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _to_stream(reader: LedgerReader, days: Days, form: Format, **asked: Any) -> Written:
    stream = sys.stdout.buffer
    written = export_to(stream, reader, days, form, **asked)
    stream.flush()
    return written


@contextmanager
def _files() -> Iterator[None]:
    """Say what is wrong with a file, instead of where in the program."""
    try:
        yield
    except BrokenPipeError:
        raise click.Abort from None  # whoever read has seen enough
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the file'}: {error.strerror}") from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A bar on stderr, gone when all is done; none where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _share: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow, and of a terminal only
    from rich.progress import Progress as Bar  # noqa: PLC0415

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _counted(calls: int, sums: int) -> str:
    """Numbers of both, in words; sums only if there are some."""
    words = f"{calls:,} call{'' if calls == 1 else 's'}"
    return f"{words} and {sums:,} sum{'' if sums == 1 else 's'}" if sums else words


def _imported(result: ImportResult) -> str:
    known = "1 was" if result.known == 1 else f"{result.known:,} were"
    replaced = f", {result.replaced:,} were given up for them" if result.replaced else ""
    return f"{_counted(result.calls, result.sums)} imported, {known} here already{replaced}"
