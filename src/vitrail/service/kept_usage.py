"""Usage that the database did not take before the server stopped: in a file of the data directory until the next start.

Called by `ledger`. A row that is in a file and in the database does no harm, since rows are written once by their id;
so a file goes only when all of it is written. Files of another database are left alone.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from vitrail.domain.settlement import Settlement
from vitrail.service.decoders import json_decoder


class KeptUsage:
    """Files in `folder` with rows for the database at `database_url`. Everything here blocks."""

    def __init__(self, folder: Path, *, database_url: str) -> None:
        self._folder = folder
        self._prefix = f"unwritten-usage-{hashlib.sha256(database_url.encode()).hexdigest()[:12]}"
        self._loaded: list[Path] = []
        self._log = structlog.get_logger("vitrail.ledger")

    def load(self) -> list[Settlement]:
        """Return the rows of every file; one that cannot be read is told and left for a person."""
        rows: list[Settlement] = []
        for path in sorted(self._folder.glob(f"{self._prefix}-*.json")):
            try:
                rows += json_decoder(list[Settlement]).decode(path.read_bytes())
            except (OSError, msgspec.DecodeError) as error:
                self._log.error("unwritten usage cannot be read", path=str(path), error=str(error))
            else:
                self._loaded.append(path)
        return rows

    def save(self, rows: Sequence[Settlement]) -> Path:
        """Write rows to a file, safely on the disk, in the place of those that were loaded; raises OSError."""
        path = self._folder / f"{self._prefix}-{uuid.uuid4()}.json"
        begun = path.with_suffix(".part")
        with os.fdopen(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(rows))
            file.flush()
            os.fsync(file.fileno())
        begun.rename(path)
        self.clear()
        return path

    def clear(self) -> None:
        """Remove the files that were loaded: their rows are elsewhere now."""
        while self._loaded:
            self._loaded.pop().unlink(missing_ok=True)
