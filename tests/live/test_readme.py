"""What the README tells a newcomer to run, run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from vitrail.settings import Settings

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]


def _blocks(language: str, page: str = "README.md") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def test_python_program_of_the_readme_runs(server: Any) -> None:
    """The program prints an answer, and the image tokens that the README shows."""
    (program,) = _blocks("python")
    environment = {**os.environ, "XAI_API_KEY": server.api_key, "BASE_URL": server.base_url}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    answer, details = done.stdout.strip().splitlines()
    assert answer == "A red square on a white background."  # the script's answer to any one picture
    shown = re.search(r"image_tokens=(\d+)", _blocks("text")[0])
    assert shown is not None
    assert f"image_tokens={shown[1]}" in details


def test_tokens_command_of_the_readme_runs() -> None:
    """`vitrail tokens docs/receipt.jpg` tells the tokens that the README shows."""
    done = subprocess.run(
        [sys.executable, "-m", "vitrail", "tokens", "docs/receipt.jpg", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"image_tokens={json.loads(done.stdout)['image_tokens']}" in _blocks("text")[0]


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_settings_in_the_pages_are_valid(page: str) -> None:
    """Every example of a settings file is one that the server takes."""
    blocks = _blocks("toml", page)
    assert blocks
    for block in blocks:
        Settings.model_validate(tomllib.loads(block))


def test_make_targets_of_the_readme_exist() -> None:
    """Every `make` word of the shell blocks is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", "\n".join(_blocks("bash")), re.MULTILINE))
    assert named
    assert named <= targets
