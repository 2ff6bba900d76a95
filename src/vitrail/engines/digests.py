"""SHA-256 of large files, remembered beside them so that a gigabyte is not read at every start."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path


def read_digest(path: Path) -> str:
    """Return the file's SHA-256 in hex, from the note beside it if size and time of change still agree."""
    with suppress(OSError, ValueError):
        digest, noted_state = _note(path).read_text(encoding="ascii").strip().split(" ", 1)
        if noted_state == _state(path) and len(digest) == 64:
            return digest
    digest = hash_file(path)
    note_digest(path, digest)
    return digest


def note_digest(path: Path, digest: str) -> None:
    """Remember the digest of the file as it is now; in a read-only folder, every start costs a hash instead."""
    with suppress(OSError):
        _note(path).write_text(f"{digest} {_state(path)}\n", encoding="ascii")


def forget_digest(path: Path) -> None:
    """Remove what was remembered of the file."""
    _note(path).unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """Return the file's SHA-256 in hex, computed from its bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
