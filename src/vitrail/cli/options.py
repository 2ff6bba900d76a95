"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vitrail.settings import Settings, load_settings

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of database and weights (.vitrail).")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file (vitrail.toml if there is one).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def load(
    *,
    data_dir: Path | None,
    config: Path | None = None,
    flags: Sequence[str] = (),
    overrides: dict[str, Any] | None = None,
) -> Settings:
    """Load the settings under these options; raises SettingsError."""
    nested: dict[str, Any] = dict(overrides or {})
    if data_dir is not None:
        nested["data_dir"] = data_dir
    return load_settings(file=config, overrides=nested, flags=flags)
