"""Our routes in the applications of real frameworks, on real servers; the code of docs/web.md."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette

from otel_token_monitor.web.routes import expose
from tests.integration.steering import eventually
from tests.unit.web.ledgers import TOKEN, call, counts, reader_of, sources_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs" / "web.md"


@contextmanager
def served(app: Any) -> Iterator[str]:
    """An application on a uvicorn of its own; its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize("kind", [FastAPI, Starlette])
def test_an_application_with_a_lifespan_of_its_own_has_our_paths(kind: Any) -> None:
    said: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        said.append("begin")
        yield
        said.append("end")

    app = kind(lifespan=lifespan)
    with reader_of(call()) as reader:
        expose(
            app,
            sources_of(reader, receive=counts, daily_limit=1000),
            startup=lambda: said.append("startup"),
            shutdown=lambda: said.append("shutdown"),
        )
        with served(app) as address, httpx.Client(base_url=address, timeout=60) as client:
            paths = ["/", "/metrics", "/metrics/", "/token-usage", "/token-status/", "/healthz"]
            assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(
                paths, 200
            )
            assert client.get("/token-status?strict=1").status_code == 503
            assert client.head("/metrics").status_code == 200
            headers = {"Authorization": f"Bearer {TOKEN}"}
            posted = client.post("/alerts", content=b"[1]", headers=headers)
            assert posted.json() == {"alerts": {"forwarded": 1}}
            large = client.post("/alerts", content=iter([b" " * 65536] * 17), headers=headers)
            assert large.status_code == 413
    assert said == ["startup", "begin", "end", "shutdown"]


def documented(framework: str) -> str:
    """The code of docs/web.md for a framework."""
    (code,) = re.findall(rf"```python\n# {framework}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return str(code)


ASKING = {
    "fastapi": """
from starlette.testclient import TestClient
with TestClient(app, follow_redirects=False) as client:
    usage, scraped = client.get("/token-usage").json(), client.get("/metrics").text
""",
    "flask": """
client = app.test_client()
usage, scraped = client.get("/token-usage").json, client.get("/metrics").text
""",
    "django": """
import django
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
django.setup()
from django.test import Client
client = Client()
usage, scraped = client.get("/token-usage").json(), client.get("/metrics").content.decode()
""",
}
TOLD = """
assert usage["daily"]["total_tokens"] == 0, usage
assert "otel_token_monitor_ledger_up 1.0" in scraped.splitlines(), scraped
print("as documented")
"""


@pytest.mark.parametrize("framework", sorted(ASKING))
def test_the_code_of_the_documentation_works(framework: str, tmp_path: Path) -> None:
    script = tmp_path / "application.py"
    script.write_text(documented(framework) + ASKING[framework] + TOLD)
    environ = {**os.environ, "TOKEN_MONITOR_DATA_DIR": str(tmp_path / "data")}
    ran = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        env=environ,
        timeout=150,
        check=False,
        cwd=tmp_path,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "as documented\n", "")
