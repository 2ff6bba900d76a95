"""A real server with two llama.cpp models and memory for one: what clients and operators see of it."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fixtures.asking import fetch
from vitrail.app import open_runtime
from vitrail.engines.llama.memory import plan_memory
from vitrail.settings import SettingsError, load_settings
from vitrail.testing.server import start_server

TINY_VLM = Path(__file__).parent.parent / "fixtures" / "tiny_vlm.py"
CONTEXT_TOKENS = 1024


@pytest.fixture(scope="module")
def needed_bytes(tmp_path_factory):
    """The memory that the tiny model takes, and the folder that it lies in."""
    folder = tmp_path_factory.getbasetemp() / "two-models"
    subprocess.run([sys.executable, TINY_VLM, folder], check=True)
    gguf = folder / "tiny-lm.gguf"
    return plan_memory(gguf, None, context_tokens=CONTEXT_TOKENS, parallel=1, prompt_cache_mib=0)


def write_config(folder, budget_bytes):
    """A settings file of two models with a budget."""
    config = folder / "vitrail.toml"
    models = "".join(f'[[models]]\nid = "{name}"\nengine = "llama"\ngguf = "tiny-lm.gguf"\n' for name in ("one", "two"))
    config.write_text(
        f"{models}[llama]\ncontext_tokens = {CONTEXT_TOKENS}\nthreads = 1\nprompt_cache_mib = 0\nwarmup = false\n"
        f"[memory]\nbudget_bytes = {budget_bytes}\n"
    )
    return config


@pytest.fixture(scope="module")
def server(needed_bytes, tmp_path_factory):
    """A running server with room for one and a half of two models."""
    folder = tmp_path_factory.getbasetemp() / "two-models"
    with start_server(folder, config=write_config(folder, needed_bytes * 3 // 2)) as running:
        yield running


def ask(server, model):
    """Status of a short completion, and the model that answered."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    status, text = fetch(server, "/v1/chat/completions", body)
    return status, json.loads(text).get("model")


def read_metrics(server, name):
    """The numbers of both models in /metrics."""
    lines = fetch(server, "/metrics")[1].splitlines()
    return [
        next(float(line.split()[-1]) for line in lines if line.startswith(f'{name}{{model="{model}"}}'))
        for model in ("one", "two")
    ]


def test_two_models_take_turns(server):
    """Both are listed with fingerprints and ready from the start; each is loaded when asked for, and counted."""
    listed = json.loads(fetch(server, "/v1/language-models")[1])["models"]
    assert {model["id"]: model["fingerprint"][:3] for model in listed} == {"one": "fp_", "two": "fp_"}
    assert [model["id"] for model in json.loads(fetch(server, "/v1/models")[1])["data"]] == ["one", "two"]
    assert read_metrics(server, "vitrail_model_loaded") == [1, 0] and fetch(server, "/readyz")[0] == 200
    assert [ask(server, model) for model in ("one", "two", "one")] == [(200, "one"), (200, "two"), (200, "one")]
    assert read_metrics(server, "vitrail_model_loaded") == [1, 0] and fetch(server, "/readyz")[0] == 200
    assert read_metrics(server, "vitrail_model_loads") == [2, 1]
    assert read_metrics(server, "vitrail_model_unloads") == [1, 1]


def test_requests_for_both_at_once_are_all_answered(server):
    """Nobody is refused while the wait suffices."""
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda model: ask(server, model), ["one", "two"] * 3))
    assert answers == [(200, "one"), (200, "two")] * 3


async def test_a_model_over_the_whole_budget_is_refused_at_start(needed_bytes, tmp_path_factory, monkeypatch):
    """The error names the model, what it needs and the setting."""
    monkeypatch.chdir(tmp_path_factory.getbasetemp() / "two-models")
    folder = Path.cwd()
    settings = load_settings(file=write_config(folder, needed_bytes - 1), flags=["--data-dir", "data"], environment={})
    with pytest.raises(SettingsError, match=rf"one needs {needed_bytes:,} bytes .* memory.budget_bytes is"):
        async with open_runtime(settings):
            pass
