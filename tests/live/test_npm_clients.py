"""The official npm clients against a running server; the programs that run them stand in npm/ and read as examples."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

PROGRAMS = Path(__file__).with_name("npm")
OLDEST_NODE = 20
ANSWER = "A red square on a white background."
SQUARE = {"shape": "square", "colour": "red"}
WRONG_KEY = "Incorrect API key provided: in***ey."


@pytest.fixture(scope="session")
def node() -> str:
    """The path of a `node` that the clients run on; without one the tests fail, since nothing would be proved."""
    path = shutil.which("node")
    assert path, f"Node.js {OLDEST_NODE} or newer is not in PATH; `make live` installs it"
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert int(version.removeprefix("v").partition(".")[0]) >= OLDEST_NODE, f"node is {version}, too old"
    assert (PROGRAMS / "node_modules").is_dir(), "The npm clients are not installed; `make live` installs them"
    return path


def _run(node: str, program: str, server: Any, picture: Path) -> dict[str, Any]:
    """Run a program and return the object it prints."""
    done = subprocess.run(
        [node, str(PROGRAMS / program), str(picture)],
        env={**os.environ, "BASE_URL": server.base_url, "XAI_API_KEY": server.api_key},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_openai_client(node: str, server: Any, picture: Path) -> None:
    """openai: the answer, the guide's usage on the first chunk, an object by a zod schema, and its own errors."""
    said = _run(node, "openai.mjs", server, picture)
    assert (said["text"], said["image_tokens"]) == (ANSWER, 1280)
    assert "".join(said["streamed"]) == ANSWER and len(list(filter(None, said["streamed"]))) == 2
    assert said["first_image_tokens"] == 1280
    assert said["parsed"] == SQUARE
    unknown, wrong = said["unknown_model"], said["wrong_key"]
    assert (unknown["name"], unknown["status"]) == ("NotFoundError", 404)
    assert "no-such-model" in unknown["message"] and unknown["id"]
    assert (wrong["name"], wrong["status"]) == ("BadRequestError", 400)
    assert WRONG_KEY in wrong["message"]


def test_anthropic_client(node: str, server: Any, picture: Path) -> None:
    """@anthropic-ai/sdk: the message, counted before, its stream, the input of a forced tool, and its own errors."""
    said = _run(node, "anthropic.mjs", server, picture)
    assert (said["text"], said["stop_reason"]) == (ANSWER, "end_turn")
    assert said["input_tokens"] == said["counted_tokens"] > 1280
    assert "".join(said["streamed"]) == said["gathered"] == ANSWER and len(said["streamed"]) == 2
    assert said["tool"] == {"stop_reason": "tool_use", "name": "record_shape", "input": SQUARE}
    unknown, wrong = said["unknown_model"], said["wrong_key"]
    assert (unknown["name"], unknown["status"]) == ("NotFoundError", 404)
    assert "no-such-model" in unknown["message"] and unknown["id"]
    assert (wrong["name"], wrong["status"]) == ("BadRequestError", 400)
    assert WRONG_KEY in wrong["message"]


def test_ai_sdk_with_its_xai_provider(node: str, server: Any, picture: Path) -> None:
    """ai with @ai-sdk/xai: the text, its stream, an object by a zod schema, and errors with the server's words."""
    said = _run(node, "ai.mjs", server, picture)
    assert (said["text"], said["finish_reason"], said["warnings"]) == (ANSWER, "stop", [])
    assert said["input_tokens"] > 1280
    assert ("".join(said["streamed"]), said["streamed_finish_reason"]) == (ANSWER, "stop")
    assert len(said["streamed"]) == 2
    assert said["object"] == SQUARE
    unknown, wrong = said["unknown_model"], said["wrong_key"]
    assert (unknown["is_call_error"], unknown["status"]) == (True, 404)
    assert (wrong["is_call_error"], wrong["status"]) == (True, 400)
    assert "no-such-model" in unknown["message"]
    assert WRONG_KEY in wrong["message"]
