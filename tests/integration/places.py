"""Applications as the module that this product grew out of has them: a directory with a `.env`."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.integration.processes import environment

if TYPE_CHECKING:
    from pathlib import Path

DOTENV = """\
# OpenAI API 키
OPENAI_API_KEY=your-openai-api-key-here
OPENAI_MODEL=gpt-5-mini

# 토큰 한도 설정 (gpt-5-mini 기준)
TOKEN_DAILY_LIMIT=2000000
TOKEN_MONTHLY_LIMIT=60000000
TOKEN_PER_MINUTE_LIMIT=200000
REQUESTS_PER_MINUTE_LIMIT=500

# 모니터링 설정
TOKEN_AUTO_MONITOR=true
TOKEN_MONITOR_INTERVAL=300
TOKEN_WARNING_THRESHOLD=0.8
TOKEN_ALERT_THRESHOLD=0.9

# 데이터 저장 경로
TOKEN_MONITOR_DATA_DIR=data/token_usage

# 전역 모니터링 설정 (여러 프로젝트 통합 시)
GLOBAL_TOKEN_DAILY_LIMIT=10000000
GLOBAL_TOKEN_MONTHLY_LIMIT=300000000
"""


@dataclass(frozen=True)
class Place:
    """Where an application is: a directory with its `.env`."""

    path: Path
    server: str = "http://127.0.0.1:9"

    @classmethod
    def at(cls, path: Path, server: str = "http://127.0.0.1:9") -> Place:
        """Make one."""
        (path / ".env").write_text(DOTENV, encoding="utf-8")
        return cls(path, server)

    @property
    def ledger(self) -> Path:
        return self.path / "data" / "token_usage" / "usage.db"

    def run(self, script: str) -> list[str]:
        """Run a script that lies in the directory; the lines that it prints."""
        file = self.path / "main.py"
        file.write_text(script, encoding="utf-8")
        return self.python(str(file)).stdout.splitlines()

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.path,
            env=environment({"OPENAI_BASE_URL": self.server, "PYTHONIOENCODING": "utf-8"}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def rows(self) -> list[tuple[Any, ...]]:
        """Project, model, endpoint and tokens of each call that the ledger has."""
        with closing(sqlite3.connect(self.ledger)) as connection:
            return connection.execute(
                "SELECT project, model, endpoint, "
                "input + input_cached + input_cache_write + output + output_reasoning "
                "FROM record JOIN label_set ON label_set.id = label_set_id"
            ).fetchall()
