"""SHA-256 of large files, remembered beside them so that a gigabyte is not read at every start."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


def read_digest(path: Path) -> str:
    """Return the file's SHA-256 in hex, from the note beside it if size, time of change and inode still agree."""
    with suppress(OSError, ValueError):
        digest, noted_state = _note(path).read_text(encoding="ascii").strip().split(" ", 1)
        if noted_state == _state(path.stat()) and len(digest) == 64:
            return digest
    hashed = hash_file(path)
    note_digest(path, hashed)
    return hashed.sha256


@dataclass(frozen=True, slots=True)
class Hashed:
    """What was read: the digest in hex, and which state of which file it belongs to."""

    sha256: str
    state: str


def note_digest(path: Path, hashed: Hashed) -> None:
    """Remember the digest beside `path`; it counts only while the file there is the very one that was hashed.

    In a read-only folder nothing is remembered, and every start costs a hash.
    """
    with suppress(OSError):
        _note(path).write_text(f"{hashed.sha256} {hashed.state}\n", encoding="ascii")


def forget_digest(path: Path) -> None:
    """Remove what was remembered of the file."""
    _note(path).unlink(missing_ok=True)


def hash_file(path: Path) -> Hashed:
    """Return the file's SHA-256, computed from its bytes; a file that changes meanwhile is no longer in that state."""
    with path.open("rb") as file:
        state = _state(os.fstat(file.fileno()))
        return Hashed(hashlib.file_digest(file, "sha256").hexdigest(), state)


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _state(status: os.stat_result) -> str:
    """What another file, or other bytes in this one, would have differently; the same after a renaming."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
