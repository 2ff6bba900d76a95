"""Asynchronous requests: many clients on one process, and a greedy key beside a modest one."""

from __future__ import annotations

import asyncio
import base64
import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

from vitrail.testing.server import start_server

pytestmark = pytest.mark.live

MODEL = "grok-2-vision-latest"
ONE_SLOT = """\
[[models]]
id = "one-at-a-time"
engine = "scripted"
script = "slow.yaml"
slots = 1
"""


def _ask_about(colour: int) -> Any:
    """A question about a picture that no other client sends."""
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (colour, 80, 80)).save(out, "PNG")
    url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


def _create_key(folder: Path, name: str) -> str:
    """Make a key with the command line and return its secret."""
    command = [sys.executable, "-m", "vitrail", "keys", "create", "--name", name, "--data-dir", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.strip()


def _wait_for_requests(server: Any, count: int) -> None:
    """Return when the server's engine has been asked so often."""
    while len(server.requests) < count:
        time.sleep(0.05)


async def test_200_clients_at_once_are_all_answered(server: Any) -> None:
    """The guide's asynchronous program with a semaphore of 200: no refusal, and each gets the tokens of its picture."""
    semaphore = asyncio.Semaphore(200)
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0) as client:

        async def ask(number: int) -> Any:
            async with semaphore:
                return await client.chat.completions.create(model=MODEL, messages=_ask_about(number))

        answers = await asyncio.gather(*(ask(number) for number in range(200)))
    assert {answer.choices[0].message.content for answer in answers} == {"A red square on a white background."}
    assert {answer.usage.prompt_tokens_details.image_tokens for answer in answers} == {1280}
    assert len({answer.id for answer in answers}) == 200


async def test_a_modest_key_is_not_kept_waiting_by_a_greedy_one(tmp_path: Path) -> None:
    """Thirty requests of one key wait for one slot; the single one of another key is answered among the first."""
    (tmp_path / "slow.yaml").write_text("rules:\n  - {text: Done., first_delay_seconds: 0.1}\n")
    config = tmp_path / "vitrail.toml"
    config.write_text(ONE_SLOT)
    order: list[str] = []
    with start_server(tmp_path, config=config) as server:
        modest_key = _create_key(tmp_path, "modest")

        async def ask(client: openai.AsyncOpenAI, name: str) -> None:
            await client.chat.completions.create(model="one-at-a-time", messages=[{"role": "user", "content": "Hi"}])
            order.append(name)

        async with (
            openai.AsyncOpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0) as greedy,
            openai.AsyncOpenAI(base_url=server.base_url, api_key=modest_key, max_retries=0) as modest,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(30):
                group.create_task(ask(greedy, "greedy"))
            async with asyncio.timeout(10):
                await asyncio.to_thread(_wait_for_requests, server, 2)  # the first has its slot, the others wait
            asked_after = len(order)
            group.create_task(ask(modest, "modest"))
    assert len(order) == 31
    assert order.index("modest") <= asked_after + 5
