"""The command line, run in process: what it prints, and what it says about mistakes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from PIL import Image
from typer.testing import CliRunner, Result

from vitrail.cli.program import build_program
from vitrail.domain.errors import InvalidArgument, NotFound
from vitrail.settings import SettingsError

Run = Callable[..., Result]


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
