"""The command line, run in process: what it prints, and what it says about mistakes."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner, Result

from vitrail.cli.program import build_program
from vitrail.domain.errors import Failure, InvalidArgument, NotFound, Unavailable
from vitrail.engines.weights import WeightsUnavailable
from vitrail.settings import SettingsError

Run = Callable[..., Result]
TINY_VLM = Path(__file__).parent.parent / "fixtures" / "tiny_vlm.py"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder whose settings name a scripted model."""
    monkeypatch.chdir(tmp_path)
    Path("vitrail.toml").write_text('[[models]]\nid = "m"\nengine = "scripted"\nscript = "s.yaml"\n')
    Path("s.yaml").write_text('rules:\n  - text: "I see {images}."\n')

    def call(*words: str) -> Result:
        try:
            return CliRunner().invoke(build_program(), list(words), catch_exceptions=False)
        finally:
            structlog.reset_defaults()
            logging.captureWarnings(False)

    return call


@pytest.fixture
def picture(run: Run) -> str:
    """A 1000 x 500 PNG in the folder."""
    Image.new("RGB", (1000, 500), "navy").save("wide.png")
    return "wide.png"


def test_created_key_is_printed_once_as_json(run: Run) -> None:
    """`--json` prints an object with `api_key`; the list afterwards has its redacted form only."""
    created = json.loads(run("keys", "create", "--name", "ci", "--data-dir", "d", "--json").stdout)
    listed = run("keys", "list", "--data-dir", "d", "--json").stdout
    assert created["api_key"].startswith("xai-")
    assert created["api_key"] not in listed
    assert [row["redacted"] for row in json.loads(listed)] == [created["redacted"]]


def test_key_goes_to_stdout_alone(run: Run) -> None:
    """What a shell captures of `keys create` is the key and nothing else."""
    result = run("keys", "create", "--name", "ci")
    assert result.stdout.strip().startswith("xai-")
    assert len(result.stdout.split()) == 1


def test_key_is_blocked_unblocked_and_deleted(run: Run) -> None:
    """Each command shows in the list after it."""
    run("keys", "create", "--name", "ci")
    run("keys", "block", "ci")
    blocked = json.loads(run("keys", "list", "--json").stdout)[0]["blocked"]
    run("keys", "unblock", "ci")
    unblocked = json.loads(run("keys", "list", "--json").stdout)[0]["blocked"]
    run("keys", "delete", "ci")
    assert (blocked, unblocked, json.loads(run("keys", "list", "--json").stdout)) == (True, False, [])


def test_unknown_key_is_named(run: Run) -> None:
    """A key that is not there is an error that points to the list."""
    with pytest.raises(NotFound, match="vitrail keys list"):
        run("keys", "delete", "nobody")


def test_tokens_shows_grid_and_tokens(run: Run, picture: str) -> None:
    """A 1000 x 500 picture is cut into 3 x 2 tiles: 1,792 tokens."""
    (row,) = json.loads(run("tokens", picture, "--json").stdout)["data"]
    assert (row["columns"], row["rows"], row["image_tokens"]) == (3, 2, 1792)
    assert row["sha256"] == hashlib.sha256(Path(picture).read_bytes()).hexdigest()
    assert "3 x 2 + overview" in run("tokens", picture).stdout


def test_tokens_draws_the_tiles(run: Run, picture: str) -> None:
    """`--draw` writes the fitted picture with lines at the tile edges, and its own colour between them."""
    run("tokens", picture, "--draw", "out.png")
    drawn = Image.open("out.png").convert("RGB")
    assert drawn.size == (1000, 500)
    assert drawn.getpixel((447, 200)) != (0, 0, 128)
    assert drawn.getpixel((200, 200)) == (0, 0, 128)


def test_tokens_of_a_text_file_is_refused_by_name(run: Run) -> None:
    """A file that is no image is an error that names the file."""
    Path("note.txt").write_text("hello")
    with pytest.raises(InvalidArgument, match=r"not a JPEG or PNG.*note\.txt"):
        run("tokens", "note.txt")


def test_missing_file_is_named(run: Run) -> None:
    """A file that is not there is an error that names it."""
    with pytest.raises(InvalidArgument, match=r"absent\.png cannot be read"):
        run("ask", "absent.png", "what?")


@pytest.mark.parametrize(
    "words", [["wide.png"], ["wide.png", "wide.png"], ["wide.png", " "], ["http://127.0.0.1/a.png"]]
)
def test_ask_without_a_question_says_so(run: Run, picture: str, words: list[str]) -> None:
    """An image in the place of the question is no question; the wrong use of a command exits with 2."""
    result = run("ask", *words)
    assert result.exit_code == 2
    assert "the question is missing; it comes last" in " ".join(result.stderr.replace("│", " ").split())


def test_ask_takes_a_question_too_long_for_a_file_name(run: Run) -> None:
    """Whether the question is a file is asked of the file system, which refuses names of more than 255 bytes."""
    assert run("ask", "What? " * 1000).stdout.strip() == "I see no image."


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/v1", "The server at http://127.0.0.1:1/v1 cannot be reached: Connection refused."),
        ("localhost:8000/v1", "localhost:8000/v1 is no base URL; write http://HOST:PORT/v1."),
        ("http://", "http:// is no base URL; write http://HOST:PORT/v1."),
    ],
)
def test_ask_of_a_server_that_is_not_there(run: Run, url: str, expected: str) -> None:
    """The error says which server and why, in one sentence."""
    with pytest.raises(Failure, match=f"^{re.escape(expected)}$"):
        run("ask", "hello", "--url", url, "--api-key", "k")


def test_ask_answers_without_a_server(run: Run, picture: str) -> None:
    """`ask` starts the engine itself; the answer is all that goes to stdout."""
    assert run("ask", picture, "What is it?").stdout.strip() == "I see 1 image (1000x500 px)."


def test_ask_prints_the_whole_completion_as_json(run: Run, picture: str) -> None:
    """`--json` prints what the API would answer."""
    completion = json.loads(run("ask", picture, picture, "What is it?", "--json").stdout)
    assert completion["object"] == "chat.completion"
    assert completion["usage"]["prompt_tokens_details"]["image_tokens"] == 2 * 1792


def test_models_lists_what_is_configured_and_what_can_be_had(run: Run) -> None:
    """The list has the configured model and the named weights, none of which is here."""
    listed = json.loads(run("models", "list", "--json").stdout)
    assert [model["id"] for model in listed["models"]] == ["m"]
    assert {entry["name"] for entry in listed["weights"]} >= {"qwen2.5-coder-1.5b-q4", "smollm2-135m-q4"}
    assert not any(entry["here"] for entry in listed["weights"])


def test_models_lists_what_each_takes_and_weighs(run: Run) -> None:
    """A vision model says so, where it comes from and how large it is."""
    listed = {entry["name"]: entry for entry in json.loads(run("models", "list", "--json").stdout)["weights"]}
    assert listed["smolvlm2-256m-q8"]["input"] == ["text", "image"]
    assert listed["smolvlm2-256m-q8"]["size_bytes"] == 175056352 + 103771680
    assert listed["smollm2-135m-q4"]["input"] == ["text"]
    shown = run("models", "list").stdout
    assert "size unknown" in shown


def test_models_lists_whole_rows_where_no_terminal_is(run: Run) -> None:
    """What reads a pipe gets every word of a row in one line, the licence among them."""
    (row,) = [line for line in run("models", "list").stdout.splitlines() if "internvl3-1b-q8" in line]
    assert "MIT, language part Apache-2.0" in row and "InternVL3 1B, Q8_0; reads documents" in row


def test_models_lists_the_memory_that_each_takes(run: Run) -> None:
    """The files and the context windows of the settings: a token of SmolVLM2 256M has 30 layers of 3 heads of 64."""
    Path("vitrail.toml").write_text(
        '[[models]]\nid = "m"\nengine = "scripted"\nscript = "s.yaml"\n[llama]\ncontext_tokens = 4096\nparallel = 2\n'
    )
    listed = {entry["name"]: entry for entry in json.loads(run("models", "list", "--json").stdout)["weights"]}
    files = 175056352 + 103771680
    assert listed["smolvlm2-256m-q8"]["memory_bytes"] == files + 8192 * 30 * 3 * (64 + 64) * 2
    assert listed["internvl3-8b-q4"]["memory_bytes"] is None


def test_models_removes_weights(run: Run) -> None:
    """`models remove` deletes the file in the data directory and says what that frees."""
    weights = Path("d/weights")
    weights.mkdir(parents=True)
    (weights / "SmolVLM2-256M-Video-Instruct-Q8_0.gguf.part").write_bytes(b"x" * 2_500_000)
    assert run("models", "remove", "smolvlm2-256m-q8", "--data-dir", "d").stdout == "2.5 MB freed.\n"
    assert run("models", "remove", "smolvlm2-256m-q8", "--data-dir", "d").stdout.startswith("Nothing of")
    with pytest.raises(WeightsUnavailable, match="no weights named nothing"):
        run("models", "remove", "nothing", "--data-dir", "d")


def test_models_checks_a_file_of_ones_own(run: Run) -> None:
    """`models check` measures loading, reading, writing and a picture with the real llama.cpp."""
    folder = Path("tiny")
    subprocess.run([sys.executable, TINY_VLM, folder], check=True)
    Path("vitrail.toml").write_text(
        '[[models]]\nid = "m"\nengine = "scripted"\nscript = "s.yaml"\n'
        "[llama]\ncontext_tokens = 1024\nthreads = 1\nprompt_cache_mib = 0\nwarmup = false\n"
    )
    words = ("models", "check", "--gguf", "tiny/tiny-lm.gguf", "--mmproj", "tiny/tiny-mmproj.gguf")
    checked = json.loads(run(*words, "--json").stdout)  # and nothing else, no line of a log
    files = sum(path.stat().st_size for path in folder.glob("*.gguf"))
    assert checked["fits"] and checked["needed_bytes"] == files + 1024 * (2 * 32 * 2)
    assert all(value > 0 for value in checked["trial"].values())
    shown = run(*words).stdout
    assert "memory needed" in shown and "to the first word" in shown and "writing" in shown


def test_models_check_says_what_does_not_fit(run: Run) -> None:
    """A context window larger than the memory is told before anything is loaded, and fails the command."""
    subprocess.run([sys.executable, TINY_VLM, "tiny"], check=True)
    Path("vitrail.toml").write_text(
        '[[models]]\nid = "m"\nengine = "scripted"\nscript = "s.yaml"\n[llama]\ncontext_tokens = 1000000000000\n'
    )
    result = run("models", "check", "--gguf", "tiny/tiny-lm.gguf")
    assert (result.exit_code, "It does not fit" in result.stdout) == (1, True)


def test_models_check_of_what_is_not_here_says_how_to_get_it(run: Run) -> None:
    """Weights that are not here are named with their size and the command that fetches them."""
    with pytest.raises(
        WeightsUnavailable,
        match=r"not here; they are a download of 278\.8 MB, and take 467\.6 MB of.*models pull smolvlm2-256m",
    ):
        run("models", "check", "smolvlm2-256m-q8")


def test_models_check_of_a_broken_file_says_so(run: Run) -> None:
    """A file that is no GGUF, or only the beginning of one, is named with what is wrong with it."""
    Path("broken.gguf").write_bytes(b"not a model")
    with pytest.raises(Unavailable, match=r"broken\.gguf cannot be used"):
        run("models", "check", "--gguf", "broken.gguf")


def test_serve_names_a_mistyped_option(run: Run) -> None:
    """`serve` takes every setting as a flag, and suggests the right one for a wrong one."""
    with pytest.raises(SettingsError, match="Did you mean --fetch-timeout-seconds"):
        run("serve", "--fetch-timeout-secs", "3")


@pytest.mark.parametrize(
    "words", [("serve", "--port", "0"), ("keys", "create", "--name", "n"), ("models", "pull", "smollm2-135m-q4")]
)
def test_m11_data_directory_that_cannot_be_made_is_named(run: Run, words: tuple[str, ...]) -> None:
    """A data directory under a file is refused with one line, before anything is fetched."""
    Path("file").write_text("")
    with pytest.raises(SettingsError, match=r"file/x cannot be made"):
        run(*words, "--data-dir", "file/x")


def test_help_shows_every_word_of_it(run: Run) -> None:
    """No part of an option's text is taken for markup and left out."""

    def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
        for name, command in group.commands.items():
            yield from commands(command, *path, name) if hasattr(command, "commands") else [((*path, name), command)]

    def words(text: str) -> str:
        return re.sub(r"\x1b\[[0-9;]*m|[│|\s]", "", text)  # some terminals get colours and borders

    for path, command in commands(get_command(build_program())):
        shown = words(run(*path, "--help").stdout)
        assert [option.name for option in command.params if words(option.help or "") not in shown] == [], path
