"""The samples of the module that this product grew out of, as it has them, in processes.

Only their imports are from the top of this package, and where they wait for a client that cannot be
waited for, it is one that can, or they don't.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.places import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

BASIC = """
import asyncio
import os

# 1. 모듈 import
from otel_token_monitor import TokenMonitor, TokenMonitorConfig, AutoTokenMonitor
from dotenv import load_dotenv
import openai

# 2. 환경 변수 로드
load_dotenv()

# 3. 모니터 생성
config = TokenMonitorConfig()
monitor = TokenMonitor(config=config)

# 4. OpenAI API 호출 시 토큰 사용량 자동 기록
client = openai.{client}(api_key=os.getenv('OPENAI_API_KEY'))

async def chat_with_monitoring(messages):
    response = {wait} client.chat.completions.create(
        model="gpt-5-mini",
        messages=messages,
        max_completion_tokens=500
    )

    # 토큰 사용량 자동 기록
    if hasattr(response, 'usage') and response.usage:
        usage = monitor.create_usage_record(
            model="gpt-5-mini",
            input_tokens=response.usage.prompt_tokens,
            output_tokens=response.usage.completion_tokens,
            endpoint="chat_completion",
            project_id="my_project"
        )
        monitor.log_usage(usage)

    return response

response = asyncio.run(chat_with_monitoring([{{"role": "user", "content": "안녕하세요"}}]))

# 5. 사용량 조회
summary = monitor.get_usage_summary()
print(f"오늘 사용량: {{summary['daily']['total_tokens']}} 토큰")
print(f"상태: {{summary['status']}}")
print(response.usage.total_tokens)
"""

WATCHED = "from otel_token_monitor import instrument; instrument(serve=False)\n"

AUTOMATIC = """
from otel_token_monitor import TokenMonitor, TokenMonitorConfig, AutoTokenMonitor
from dotenv import load_dotenv

load_dotenv()
config = TokenMonitorConfig()
monitor = TokenMonitor(config=config)

# 자동 모니터링 시작
auto_monitor = AutoTokenMonitor(token_monitor=monitor, config=config)
auto_monitor.start_monitoring()

monitor.log_usage(monitor.create_usage_record(
    model="gpt-5-mini", input_tokens=1_500_000, output_tokens=100_000,
    endpoint="chat_completion", project_id="my_project",
))
monitor.force_flush()

# 모니터링 중지
auto_monitor.stop_monitoring()
"""

FASTAPI = """
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.testclient import TestClient
from otel_token_monitor import token_monitor, auto_monitor

async def startup_event():
    auto_monitor.start_monitoring()

async def shutdown_event():
    auto_monitor.stop_monitoring()

@asynccontextmanager
async def lifespan(app):
    await startup_event()
    yield
    await shutdown_event()

app = FastAPI(lifespan=lifespan)

@app.get("/token-usage")
async def get_token_usage():
    return token_monitor.get_usage_summary()

@app.get("/token-status")
async def get_token_status():
    summary = token_monitor.get_usage_summary()
    return {
        "status": summary["status"],
        "daily_usage": summary["daily"]["limit_usage_percent"]
    }

import json
with TestClient(app) as client:
    watching = auto_monitor.running
    token_monitor.log_usage(token_monitor.create_usage_record(
        model="gpt-5-mini", input_tokens=150_000, output_tokens=34_000, project_id="my_project",
        endpoint="chat_completion",
    ))
    answers = [client.get(path).json() for path in ("/token-usage", "/token-status")]
print(json.dumps([*answers, watching, auto_monitor.running]))
"""

ONE_LINER = "from otel_token_monitor import token_monitor; print(token_monitor.get_usage_summary())"

SETTINGS = """
import os

from otel_token_monitor import TokenMonitorConfig
from dotenv import load_dotenv

load_dotenv()
config = TokenMonitorConfig()

# 설정 저장
config.save_to_file("my_config.json")
saved = config

# 설정 로드
config = TokenMonitorConfig.load_from_file("my_config.json")
print(config == saved)

# 환경변수에서 업데이트
os.environ["TOKEN_DAILY_LIMIT"] = "3000000"
config.update_from_env()
print(config.daily_limit.limit, config.monthly_limit.limit, config.data_dir)
"""

SERVICE = """
# OpenAI 서비스와 통합
import openai
from otel_token_monitor import token_monitor

class MyOpenAIService:
    def __init__(self):
        self.client = openai.{client}(api_key="your-api-key")

    async def chat_completion(self, messages):
        response = {wait} self.client.chat.completions.create(
            model="gpt-5-mini",
            messages=messages,
            max_completion_tokens=500
        )

        # 토큰 사용량 자동 기록
        if hasattr(response, 'usage') and response.usage:
            usage = token_monitor.create_usage_record(
                model="gpt-5-mini",
                input_tokens=response.usage.prompt_tokens,
                output_tokens=response.usage.completion_tokens,
                endpoint="chat_completion",
                project_id="my_project"
            )
            token_monitor.log_usage(usage)

        return response

import asyncio

async def main():
    service = MyOpenAIService()
    messages = [{{"role": "user", "content": "안녕하세요"}}]
    return [await service.chat_completion(messages) for _ in range(3)]

print(sum(response.usage.total_tokens for response in asyncio.run(main())))
"""

CLIENTS = pytest.mark.parametrize(
    ("client", "wait"), [("OpenAI", ""), ("AsyncOpenAI", "await")], ids=["sync", "async"]
)
INSTRUMENTED = pytest.mark.parametrize("before", ["", WATCHED], ids=["by hand", "instrumented"])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with DemoServer() as demo:
        yield demo.base_url


@pytest.fixture
def place(tmp_path: Path, server: str) -> Place:
    return Place.at(tmp_path, server)


@CLIENTS
@INSTRUMENTED
def test_basic_use_tells_what_the_reply_used(
    place: Place, client: str, wait: str, before: str
) -> None:
    today, status, used = place.run(before + BASIC.format(client=client, wait=wait))
    assert (today, status) == (f"오늘 사용량: {used} 토큰", "상태: NORMAL")
    assert place.rows() == [("my_project", "gpt-5-mini", "chat/completions", int(used))]


def test_automatic_monitoring_leaves_an_alert_in_the_log(place: Place) -> None:
    place.run(AUTOMATIC)
    [log] = place.ledger.parent.glob("logs/alerts_*.log")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    alerts = {line["budget"]: line["new_status"] for line in lines if line["level"] != "INFO"}
    assert alerts == {
        "ledger/tokens/minute": "CRITICAL",
        "ledger/tokens/day": "WARNING",
    }


@INSTRUMENTED
def test_with_fastapi_both_paths_answer(place: Place, before: str) -> None:
    usage, status, watching, watched = json.loads(place.run(before + FASTAPI)[-1])
    assert usage["daily"]["total_tokens"] == 184_000
    assert usage["projects"]["my_project"]["monthly"]["total_tokens"] == 184_000
    assert status == {"status": "CRITICAL", "daily_usage": 9.2}
    assert (watching, watched) == (True, False)


def test_one_line_of_python_prints_what_was_used_today(place: Place) -> None:
    place.run(
        "from otel_token_monitor import token_monitor as t; "
        "t.log_usage(t.create_usage_record('gpt-5-mini', 1000, 234))"
    )
    done = place.python("-c", ONE_LINER)
    summary = ast.literal_eval(done.stdout)
    assert (summary["daily"]["total_tokens"], summary["daily"]["limit"]) == (1234, 2_000_000)
    assert (summary["status"], done.stderr) == ("NORMAL", "")


def test_one_line_of_python_prints_zero_where_nothing_was_used(place: Place) -> None:
    summary = ast.literal_eval(place.python("-c", ONE_LINER).stdout)
    assert (summary["daily"]["total_tokens"], summary["monthly"]["limit"]) == (0, 60_000_000)


def test_settings_go_to_a_file_and_back_and_follow_the_environment(place: Place) -> None:
    assert place.run(SETTINGS) == ["True", "3000000 60000000 data/token_usage"]


@CLIENTS
@INSTRUMENTED
def test_a_service_that_logs_its_calls(place: Place, client: str, wait: str, before: str) -> None:
    [used] = place.run(before + SERVICE.format(client=client, wait=wait))
    rows = place.rows()
    assert {row[:3] for row in rows} == {("my_project", "gpt-5-mini", "chat/completions")}
    assert (len(rows), sum(row[3] for row in rows)) == (3, int(used))
