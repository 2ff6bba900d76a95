"""The folder of database and weights. Made by whatever opens either."""

from __future__ import annotations

import os

from vitrail.settings import Settings, SettingsError


def make_data_dir(settings: Settings) -> None:
    """Make the data directory; raises SettingsError where that cannot be done, or nothing can be written in it."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"The data directory {settings.data_dir} cannot be made: {error.strerror}.") from error
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise SettingsError(
            f"The data directory {settings.data_dir} cannot be written; choose another with --data-dir."
        )
