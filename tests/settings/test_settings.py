"""Where settings come from, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail.settings import SettingsError, list_settings, load_settings, parse_flags


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_anything_there_is_the_embedded_model() -> None:
    """The default model answers to the names of the guide's snippets."""
    settings = load_settings(environment={})
    (model,) = settings.models
    assert (model.id, model.engine) == ("facts-1", "facts")
    assert set(model.aliases) == {"grok-2-vision", "grok-2-vision-latest", "grok-2-vision-1212"}


def test_flag_beats_environment_beats_file_beats_default() -> None:
    """The nearest source wins."""
    Path("vitrail.toml").write_text("[fetch]\ntimeout_seconds = 2\n[http]\nport = 1\nhost = '::1'\n")
    environment = {"VITRAIL_FETCH_TIMEOUT_SECONDS": "3", "VITRAIL_HTTP_PORT": "2"}
    settings = load_settings(environment=environment, flags=["--http-port", "4"])
    assert (settings.http.host, settings.fetch.timeout_seconds, settings.http.port) == ("::1", 3.0, 4)


def test_lists_are_given_with_commas() -> None:
    """A list in the environment or a flag is words with commas."""
    settings = load_settings(environment={"VITRAIL_FETCH_ALLOW_HOSTS": "a.test,127.0.0.1:9"})
    assert tuple(settings.fetch.allow_hosts) == ("a.test", "127.0.0.1:9")


def test_foreign_variables_are_left_alone() -> None:
    """Names that a container platform injects are no error."""
    load_settings(environment={"VITRAIL_SERVICE_HOST": "10.0.0.1", "VITRAIL_PORT": "tcp://10.0.0.1:80"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nprot = 1\n", r"http\.prot"),
        ("[http]\nport = 'x'\n", r"http\.port"),
        ("[[models]]\nid = 'a'\nengine = 'llama'\n", "engine llama needs `weights` or `gguf`"),
        ("[[models]]\nid = 'a'\nengine = 'upstream'\n", "engine upstream needs `base_url`"),
        ("[[models]]\nid = 'a'\nengine = 'magic'\n", r"models\.0\.engine"),
        ("not toml", "cannot be read"),
        (
            "[[models]]\nid='a'\nengine='scripted'\naliases=['x']\n[[models]]\nid='b'\nengine='scripted'\naliases=['x']\n",
            "two models answer to 'x': a and b",
        ),
    ],
)
def test_wrong_setting_is_named(text: str, said: str) -> None:
    """The error says which setting it is."""
    Path("vitrail.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_settings(environment={})


def test_mistyped_flag_is_told_the_right_one() -> None:
    """A flag that is nearly right gets a suggestion."""
    with pytest.raises(SettingsError, match="Did you mean --fetch-timeout-seconds"):
        parse_flags(["--fetch-timeout-second", "3"])


def test_missing_file_is_named() -> None:
    """A settings file that was asked for has to be there."""
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load_settings(file=Path("absent.toml"), environment={})


def test_flags_and_variables_are_unique() -> None:
    """No two settings share a flag or a variable, and every one has a help line."""
    rows = list_settings()
    assert len({row.flag for row in rows}) == len({row.variable for row in rows}) == len(rows)
    assert all(row.description for row in rows), [row.path for row in rows if not row.description]


def test_recording_needs_a_script_and_hides_its_key() -> None:
    """A model that records has a file to record to, and its key shows in no print of the settings."""
    source = {"base_url": "http://127.0.0.1:9/v1", "api_key": "xai-secret", "model": "there"}
    entry = {"id": "m", "engine": "scripted", "record_from": source}
    with pytest.raises(SettingsError, match="`record_from` needs a `script`"):
        load_settings(overrides={"models": [entry]}, environment={})
    settings = load_settings(overrides={"models": [{**entry, "script": "a.yaml"}]}, environment={})
    assert "xai-secret" not in repr(settings)
