"""Other people's Python clients against a running server: the programs of clients/, run in the environment .venv-live.

`make live` installs that environment from clients.txt; these clients are no part of the server's own lock.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.live

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-live" / "bin" / "python"
ANSWER = "A red square on a white background."
PIECES = ["A red square ", "on a white background."]
SHAPE = {"shape": "square", "colour": "text"}  # the script's plainest object of this schema

Program = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """Without the clients nothing here is proved, so that is a failure, not a skip."""
    assert PYTHON.is_file(), "the clients are not installed: `make .venv-live/.clients` does it"


@pytest.fixture(scope="module")
def run_program(server: Any, picture: Path, image_host: str) -> Program:
    """Run one program of clients/ on the picture; return the object that it prints."""

    def run(name: str) -> dict[str, Any]:
        place = {"XAI_API_KEY": server.api_key, "XAI_API_BASE": server.base_url, "GRPC_HOST": server.grpc_host}
        done = subprocess.run(
            [str(PYTHON), str(HERE / "clients" / name), str(picture)],
            env={**os.environ, **place, "IMAGE_HOST": image_host},
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    return run


def test_versions_are_those_of_the_lock() -> None:
    """An environment of an older lock would prove nothing of the versions that the docs name."""
    wanted = {line.split(" ")[0] for line in (HERE / "clients.txt").read_text().splitlines() if "==" in line}
    freeze = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "freeze", "--all"]
    installed = set(subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.split())
    assert wanted <= {requirement.lower().replace("_", "-") for requirement in installed}


def test_langchain_xai(run_program: Program) -> None:
    """Whole, streamed, both ways to a model's instance, and refusals as the OpenAI client's errors."""
    said = run_program("with_langchain_xai.py")
    assert said["answer"] == ANSWER and said["streamed"] == PIECES
    assert said["usage"]["prompt_tokens_details"]["image_tokens"] == 1280
    counts = {name: said["streamed_usage"][name] for name in ("input_tokens", "output_tokens")}
    assert counts == {
        "input_tokens": said["usage"]["prompt_tokens"],
        "output_tokens": said["usage"]["completion_tokens"],
    }
    assert said["shapes"] == {"function_calling": SHAPE, "json_schema": SHAPE}
    assert said["unknown_model"].startswith("The model no-such-model does not exist")
    assert said["wrong_key"].startswith("Incorrect API key provided: in***ey.")


def test_litellm(run_program: Program) -> None:
    """Whole, streamed with usage, an instance by a response format, and refusals as LiteLLM's own errors."""
    said = run_program("with_litellm.py")
    assert said["answer"] == ANSWER and said["streamed"] == PIECES
    assert said["usage"]["prompt_tokens_details"]["image_tokens"] == 1280
    (streamed_usage,) = said["streamed_usage"]
    assert streamed_usage["prompt_tokens_details"]["image_tokens"] == 1280
    assert streamed_usage["total_tokens"] == said["usage"]["total_tokens"]
    assert said["shape"] == SHAPE
    assert said["unknown_model"]["status"] == 404 and "no-such-model" in said["unknown_model"]["message"]
    assert said["wrong_key"]["status"] == 400 and "in***ey" in said["wrong_key"]["message"]


def test_pydantic_ai(run_program: Program) -> None:
    """Whole, streamed, an instance by a tool and by a response format, and refusals with status and body."""
    said = run_program("with_pydantic_ai.py")
    assert said["answer"] == ANSWER and said["streamed"] == PIECES
    assert said["usage"]["input_tokens"] == said["streamed_usage"]["input_tokens"] > 1280
    assert said["usage"]["output_tokens"] == said["streamed_usage"]["output_tokens"] > 0
    assert said["shapes"] == {"tool": SHAPE, "native": SHAPE}
    assert said["unknown_model"]["status"] == 404 and "no-such-model" in said["unknown_model"]["body"]
    assert said["wrong_key"]["status"] == 400 and "in***ey" in said["wrong_key"]["body"]


def test_instructor(run_program: Program) -> None:
    """An instance by a function call and by a response format, whole and growing; refusals inside its own error."""
    said = run_program("with_instructor.py")
    assert said["answer"] == ANSWER
    assert said["shapes"] == {"TOOLS": SHAPE, "JSON_SCHEMA": SHAPE}
    for mode, partials in said["streamed"].items():
        assert partials[-1] == SHAPE, mode
    assert {"shape": "square", "colour": None} in said["streamed"]["JSON_SCHEMA"]
    for mode, usage in said["usages"].items():
        assert usage["prompt_tokens_details"]["image_tokens"] == 1280, mode
    assert said["unknown_model"]["status"] == 404 and "no-such-model" in said["unknown_model"]["body"]
    assert said["wrong_key"]["status"] == 400 and "in***ey" in said["wrong_key"]["body"]


def test_xai_sdk(run_program: Program) -> None:
    """The xAI SDK over gRPC, both of its clients: all that it asks of pictures, and its refusals by status."""
    said = run_program("with_xai_sdk.py")
    assert said["answer"] == said["deferred"] == ANSWER and said["async"] == [ANSWER, ANSWER]
    assert said["image_tokens"] == 1280
    assert [text for text, _ in said["streamed"] if text] == PIECES
    counts = [tokens for _, tokens in said["streamed"]]
    assert counts == sorted(counts) and counts[-1] == said["total_tokens"] > counts[0]
    assert said["shape"] == SHAPE
    assert said["call"] == ["find_weather", '{"city": "Oslo"}']
    assert said["models"] == ["grok-2-vision-1212"] and said["key"] == "first key" and said["tokens"] > 2
    assert said["unknown_model"]["code"] == "NOT_FOUND" and "no-such-model" in said["unknown_model"]["details"]
    assert said["wrong_key"]["code"] == "UNAUTHENTICATED" and "in***ey" in said["wrong_key"]["details"]
    assert said["bad_image"]["code"] == "INVALID_ARGUMENT"
    assert said["no_picture_there"]["code"] == "DATA_LOSS"


def test_pydantic_ai_over_the_xai_sdk(run_program: Program) -> None:
    """The same as over REST, by XaiProvider."""
    said = run_program("with_pydantic_ai_xai.py")
    assert said["answer"] == ANSWER and said["streamed"] == PIECES
    assert said["usage"]["input_tokens"] == said["streamed_usage"]["input_tokens"] > 1280
    assert said["usage"]["output_tokens"] == said["streamed_usage"]["output_tokens"] > 0
    assert said["shapes"] == {"tool": SHAPE, "native": SHAPE}
    assert said["unknown_model"]["status"] == 404 and "no-such-model" in said["unknown_model"]["body"]
    assert said["wrong_key"]["status"] == 401 and "in***ey" in said["wrong_key"]["body"]


def test_instructor_over_the_xai_sdk(run_program: Program) -> None:
    """An instance by a function call and by a response format, whole and growing."""
    said = run_program("with_instructor_xai.py")
    assert said["shapes"] == {"TOOLS": SHAPE, "JSON_SCHEMA": SHAPE}
    for mode, partials in said["streamed"].items():
        assert partials[-1] == SHAPE, mode
    assert "no-such-model" in said["unknown_model"] and "in***ey" in said["wrong_key"]
