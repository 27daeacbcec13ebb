"""What the demo server answers to ``batches``: a batch whose file it never reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otel_token_monitor.demo.replies import new_id, response_model
from otel_token_monitor.demo.responses import response_usage

if TYPE_CHECKING:
    from otel_token_monitor.demo.replies import Json, UsageMaker

__all__ = ["batch", "unfinished"]

MODEL = "gpt-5-mini"
"""Of the requests in the file."""


def batch(request: Json, batch_id: str | None, usage: UsageMaker) -> Json:
    """The body of a batch that is completed: three requests."""
    spent = response_usage({"input": ["Hello there"] * 3}, 3 * 82, 3 * 64)
    now = int(time.time())
    return {
        "id": batch_id or new_id("batch_"),
        "object": "batch",
        "endpoint": request.get("endpoint"),
        "input_file_id": request.get("input_file_id"),
        "completion_window": request.get("completion_window"),
        "created_at": now,
        "completed_at": now,
        "status": "completed",
        "request_counts": {"total": 3, "completed": 3, "failed": 0},
        "model": response_model({"model": MODEL}),
        "usage": usage(spent),
    }


def unfinished(body: Json, status: str) -> Json:
    """A batch as it looked before: usage is 0, and the model not known."""
    usage = body["usage"] and {
        name: dict.fromkeys(count, 0) if isinstance(count, dict) else 0
        for name, count in body["usage"].items()
    }
    return {**body, "status": status, "usage": usage, "model": None, "completed_at": None}
