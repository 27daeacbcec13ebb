"""The bundled rules as manifests of the Prometheus Operator."""

from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import indent
from typing import Final

from otel_token_monitor.deployment.bundle import RULES, bundled_files
from otel_token_monitor.deployment.exporting import BundledFile
from otel_token_monitor.deployment.runbooks import RUNBOOKS, with_runbooks

__all__ = ["manifests_to_export"]

_APPLICATION: Final = "otel-token-monitor"

# A rule file is the specification as it is: indented, it keeps its comments and block texts.
_MANIFEST: Final = """\
# Written by `otel-token-monitor rules export --kubernetes`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {application}-{name}
  labels:
    app.kubernetes.io/name: {application}
spec:
{specification}"""


def manifests_to_export(runbooks: str = RUNBOOKS) -> tuple[BundledFile, ...]:
    """A PrometheusRule for each rule file; `runbooks` is the base of `runbook_url`."""
    return tuple(
        BundledFile(
            path=f"{_APPLICATION}-{PurePosixPath(path).stem}.yaml",
            content=_manifest(PurePosixPath(path).stem, with_runbooks(content, runbooks)),
        )
        for path, content in bundled_files(RULES)
    )


def _manifest(name: str, rules: bytes) -> bytes:
    return _MANIFEST.format(
        application=_APPLICATION, name=name, specification=indent(rules.decode(), "  ")
    ).encode()
