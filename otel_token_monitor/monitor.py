"""The composition root: one monitor, and what it is put together from."""

from __future__ import annotations

import os
import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakSet

import prometheus_client
from opentelemetry.context import get_current
from opentelemetry.trace import get_current_span

from otel_token_monitor import pipelines
from otel_token_monitor.budgets.keeper import PolicyKeeper
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.config.effective import leave_effective
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.pipeline import Pipeline, no_tick
from otel_token_monitor.records import labels_of, new_record, usage_of
from otel_token_monitor.serving import Serving
from otel_token_monitor.spans.calls import ImpliedRecord
from otel_token_monitor.spans.instrumentations import SwitchedOn, switch_on
from otel_token_monitor.spans.project import ProjectPolicy
from otel_token_monitor.spans.providers import ProviderHooks
from otel_token_monitor.usage import UsageRecord, check_project
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.report import take_report
from otel_token_monitor.views.scrape import Scrape, take_scrape
from otel_token_monitor.wire.capture import Capture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry
    from starlette.types import ASGIApp

    from otel_token_monitor.ledger.database import Location
    from otel_token_monitor.views.report import Report
    from otel_token_monitor.web.sources import ServerStatus, Sources

__all__ = ["TokenMonitor"]


class TokenMonitor:
    """Counts the calls of this process into a ledger, and shows the ledger.

    Without a `config` the environment's. Made by `instrument()`, it watches all calls. Made by
    hand, it counts what is logged with it, until it is started; making it opens nothing. Monitors
    of one ledger, in one process, work together: a call that one logs and another watches is one
    call. `by_hand` says that calls will be logged by hand: then those that are watched wait up to
    two seconds for that before they are written. `registry` is the Prometheus registry that shows
    the ledger, from `show` or `start` on. `policy` stands in for the configuration's limits,
    thresholds and time zone.
    """

    def __init__(
        self,
        config: TokenMonitorConfig | None = None,
        *,
        registry: CollectorRegistry | None = None,
        tracer_provider: TracerProvider | None = None,
        by_hand: bool = True,
        policy: Policy | None = None,
    ) -> None:
        self.config = config = TokenMonitorConfig() if config is None else config
        self.registry = prometheus_client.REGISTRY if registry is None else registry
        self._tracer_provider = tracer_provider
        self._policy = ProjectPolicy(config.project, frozenset(config.inbound_projects))
        self._hosts = tuple(config.provider_hosts.items())
        self._pipeline = pipelines.join(self, config.data_dir, self._make_pipeline)
        self.policy = Policy.of(config) if policy is None else policy
        """What this monitor goes by; where the ledger keeps another policy, that one holds."""
        self._keeper = PolicyKeeper(
            self.policy,
            owner=config.project,
            # The pipeline keeps this: it must not keep the monitor.
            holds=partial(_on_limits_hold, self._pipeline, config),
        )
        self._expected = False
        if by_hand:
            self.expect_by_hand()
        self._collector = TokenCollector(self._scrape, self._health, histograms=config.histograms)
        self._shown = False
        self._serving = Serving(self._make_app, config.host, config.port)
        self._hooks: ProviderHooks | None = None
        self._switched_on: SwitchedOn | None = None
        self._capture: Capture | None = None
        self._running = False
        self.receiver: Callable[[bytes], Mapping[str, int]] | None = None
        """Who passes on what `/alerts` receives; None while nobody does."""
        _monitors.add(self)

    def _make_pipeline(self, location: Location) -> Pipeline:
        return Pipeline(
            location,
            self._policy,
            hosts=self._hosts,
            max_label_sets=self.config.max_label_sets,
            interval=self.config.drain_interval,
        )

    def __repr__(self) -> str:
        return f"<TokenMonitor {self.config.project!r} {self._pipeline.location}>"

    @property
    def address(self) -> tuple[str, int] | None:
        """Where this process serves metrics; None while it does not (another worker may)."""
        return self._serving.address

    @property
    def ledger(self) -> Pipeline:
        """Who reads, writes and changes its ledger, and tells when calls were written."""
        return self._pipeline

    @property
    def running(self) -> bool:
        """Whether it watches calls: from `start` to `stop`."""
        return self._running

    @property
    def limits_declared(self) -> bool:
        """Whether the ledger keeps this monitor's limits by now, or somebody else's instead."""
        return self._keeper.standing.document is not None

    @property
    def has_limits(self) -> bool:
        """Whether there are limits: this monitor's, or those that hold in the ledger instead."""
        return bool(self.policy.limits) or self._keeper.limited

    @property
    def ledger_path(self) -> Path | None:
        """The ledger's file; None if it is kept in memory."""
        return self._pipeline.location.path

    # Calls that are logged by hand.

    def create_usage_record(  # noqa: PLR0913 - as many facts as a call has
        self,
        model: str,
        input_tokens: int | None = 0,
        output_tokens: int | None = 0,
        endpoint: str = "chat/completions",
        project_id: str | None = None,
        *,
        provider: str = "openai",
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        status: Literal["ok", "error"] = "ok",
        error_type: str | None = None,
        response_id: str | None = None,
        response_model: str | None = None,
        duration: float | None = None,
        time: datetime | None = None,
        cost_usd: Decimal | float | None = None,
        estimated: bool = False,
    ) -> UsageRecord:
        """The record of a call that was made by hand, for `log_usage`.

        Tokens are counted as OpenAI reports them: those that were cached are among the input
        tokens, those of reasoning among the output tokens. None for both says that nobody sent the
        usage. `endpoint` is OpenAI's path, with or without `/v1/`, or a name for it, as
        `chat_completion`. Without a `project_id` the record is of the project that a span made
        here would be of. `duration` is in seconds; `time`, when the call ended, must have a time
        zone; without it that is now. Without `cost_usd` the call costs what the model's price
        says. With an `error_type`, the status is `error`.

        Raises TypeError or ValueError, which say what can be used instead.
        """
        self.expect_by_hand()
        record = new_record(
            labels_of(self._project(project_id), provider, model, endpoint),
            usage_of(
                input_tokens,
                output_tokens,
                cached_tokens=cached_tokens,
                cache_write_tokens=cache_write_tokens,
                reasoning_tokens=reasoning_tokens,
            ),
            status=status,
            error_type=error_type,
            response_id=response_id,
            response_model=response_model,
            duration=duration,
            time=time,
            cost_usd=cost_usd,
            estimated=estimated,
            trace_id=get_current_span().get_span_context().trace_id,
        )
        return record if project_id is not None else ImpliedRecord(*record)

    def log_usage(self, record: UsageRecord) -> None:
        """Count a call: once, however often its record is logged, and whatever spans tell of it.

        Never waits for the ledger, and raises nothing because of it.

        Raises TypeError if it is no UsageRecord.
        """
        if not isinstance(record, UsageRecord):
            message = f"{record!r} cannot be logged: make a record with create_usage_record()"
            raise TypeError(message)
        self.expect_by_hand()
        self.declare_limits()
        self._pipeline.log(record)

    def expect_by_hand(self) -> None:
        """Have spans of calls wait a little, from now on, for whoever logs the same by hand."""
        if not self._expected:
            self._expected = True
            self._pipeline.expect_by_hand()

    def declare_limits(self) -> None:
        """Have the ledger keep this monitor's limits, as those of who counts into it."""
        self._pipeline.keep(self._keeper)

    def get_usage_summary(self, project_id: str | None = None) -> dict[str, Any]:
        """What was used, of which limits, as of now: of all projects, or of one.

        A JSON document, that of `/token-usage`: `daily`, `monthly` and `per_minute` (each with
        `total_tokens`, `requests`, `cost_usd`, `limit`, `limit_usage_percent`, …), `status`,
        `budgets`, `projects`, `models`. What has no limit has None for it.

        Raises LedgerError if the ledger cannot be read.
        """
        return self._report(project_id).document()

    def _report(self, project: str | None = None, *, hours: bool = False) -> Report:
        return self._pipeline.ask(
            lambda reader: take_report(
                reader, self.policy, time.time_ns(), project=project, hours=hours
            )
        )

    def _project(self, named: str | None) -> str:
        return self._policy.project_in(get_current()) if named is None else check_project(named)

    # What it does.

    def force_flush(self, timeout: float = 10.0) -> bool:
        """Return once all calls that ended before are in the ledger.

        Returns False if the ledger could not be written within `timeout` seconds; nothing is
        lost then, it is written later.
        """
        return self._pipeline.force_flush(timeout)

    def show(self) -> None:
        """Have the registry show the ledger; nothing if it does already.

        Raises ValueError if the registry has a metric of one of our names.
        """
        if not self._shown:
            self.registry.register(self._collector)
            self._shown = True

    def hide(self) -> None:
        """Have the registry show the ledger no more; nothing if it does not."""
        if self._shown:
            self._shown = False
            self.registry.unregister(self._collector)

    def start(self) -> None:
        """Begin to watch calls, and to show them.

        Raises InstrumentationError if the instrumentation cannot be had, ValueError if the registry
        has a metric of one of our names; then nothing has changed.
        """
        self.show()
        self._hooks = ProviderHooks(self._pipeline.processor)
        self._hooks.install(self._tracer_provider)
        try:
            self._switched_on = switch_on(self.config.instrumentation, self._tracer_provider)
            self._begin_capture()
        except BaseException:
            self._hooks.uninstall()
            self.hide()
            raise
        self._running = True
        self.declare_limits()
        self._pipeline.watch(self._policy, self._hosts, on_tick=self._serve)
        self._pipeline.start()

    def _begin_capture(self) -> None:
        config = self.config
        wanted = config.capture or config.instrumentation == "wire"
        if not wanted or config.instrumentation == "none":
            return
        capture = Capture(self._pipeline.processor, self._hosts, config.stream_usage)
        if capture.on():
            self._capture = capture
            self._pipeline.expect_observations()

    def stop(self) -> None:
        """Count no more, write what was counted, give the port up."""
        if self._running:
            self._running = False
            self._stop_watching()
        pipelines.leave(self)

    def _stop_watching(self) -> None:
        if self._switched_on is not None:
            self._switched_on.off()
        if self._capture is not None:
            self._capture.off()
        self._pipeline.processor.active = False
        if self._hooks is not None:
            self._hooks.uninstall()
        self.hide()
        with self._pipeline.lock:
            # No tick is starting it now, and none will.
            self._pipeline.on_tick = no_tick
            server = self._serving.detach()
        if server is not None:
            server.stop()

    # What the views read.

    def _scrape(self) -> Scrape:
        """The ledger as of now, with all that has ended before."""
        return self._pipeline.ask(lambda reader: take_scrape(reader, self.policy, time.time_ns()))

    def _health(self) -> HealthReading:
        pipeline = self._pipeline
        return HealthReading(
            counters=pipeline.unwritten_health(),
            queue_length=len(pipeline.queue),
            backlog_records=pipeline.backlog,
            open_spans=len(pipeline.processor.open_stamps()),
            last_write_ns=pipeline.last_write_ns,
        )

    def _status(self) -> ServerStatus:
        from otel_token_monitor.web.sources import ServerStatus  # noqa: PLC0415 - see Serving

        return ServerStatus(
            version=version("otel-token-monitor"),
            ledger=str(self._pipeline.location),
            trouble=None if self._pipeline.trouble is None else str(self._pipeline.trouble),
        )

    def _sources(self) -> Sources:
        from otel_token_monitor.web.sources import Sources  # noqa: PLC0415 - see Serving

        return Sources(
            registry=self.registry,
            status=self._status,
            report=self._report,
            receive=self._receive,
            alerts_token=self.config.read_alerts_token,
        )

    def _receive(self, body: bytes) -> Mapping[str, int]:
        if self.receiver is None:
            raise LedgerError("alerts are not passed on here: budgets are not watched")
        return self.receiver(body)

    def _make_app(self) -> ASGIApp:
        from otel_token_monitor.web.routes import create_app  # noqa: PLC0415 - slow, see Serving

        return create_app(self._sources())

    def expose(self, app: Any) -> Self:
        """Add `/metrics`, `/token-usage`, `/token-status`, … to a FastAPI or Starlette application.

        Call it at any time before the application serves; a path that it has itself stays its own.
        When it ends, all calls are written. Returns the monitor.

        Raises TypeError if `app` is no such application.
        """
        from otel_token_monitor.web.routes import expose  # noqa: PLC0415 - slow, see Serving

        expose(app, self._sources(), shutdown=self.force_flush)
        return self

    def _serve(self) -> None:
        if self.config.serve and self._running:
            self._serving.attempt()

    def forget_after_fork(self) -> None:
        """The parent keeps its port, and what it showed."""
        self._collector.forget_after_fork()
        self._serving.forget_after_fork()


def _on_limits_hold(pipeline: Pipeline, config: TokenMonitorConfig) -> None:
    """The ledger goes by the limits of this configuration now: whoever watches it looks anew."""
    pipeline.later(pipeline.tell)
    path = pipeline.location.path
    if path is not None:
        pipeline.later(partial(leave_effective, config, path.parent))


_monitors: WeakSet[TokenMonitor] = WeakSet()


def _after_fork_in_child() -> None:
    for monitor in list(_monitors):
        monitor.forget_after_fork()


# After those of the pipelines, which were registered before.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
