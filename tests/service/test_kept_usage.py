"""Usage that waits in a file comes out as it went in, and no file goes before its rows are elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vitrail.domain.completion import Usage
from vitrail.domain.settlement import CompletionStatus, Cost, Settlement
from vitrail.service.kept_usage import KeptUsage

URL = "postgresql+psycopg://vitrail:secret@db/vitrail"
ROW = Settlement(
    completion_id="c1",
    request_id="r1",
    team_id="t",
    api_key_id="k",
    endpoint="chat",
    model="m",
    status=CompletionStatus.CANCELLED,
    at=datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    usage=Usage(1, 2, completion_tokens=3, reasoning_tokens=4, cached_tokens=5),
    cost=Cost(1, 2, 3, 4, 5, 6),
    client_ip=None,
    generated_images=7,
)


def open_kept(folder: Path, url: str = URL) -> KeptUsage:
    """As another process would."""
    return KeptUsage(folder, database_url=url)


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    """Every field, the time zone and the status among them; the name of the file tells no password."""
    path = open_kept(tmp_path).save([ROW, replace(ROW, completion_id="c2", client_ip="192.0.2.1")])
    assert open_kept(tmp_path).load() == [ROW, replace(ROW, completion_id="c2", client_ip="192.0.2.1")]
    assert "secret" not in path.name and path.stat().st_mode & 0o777 == 0o600


def test_a_file_stays_until_it_is_cleared(tmp_path: Path) -> None:
    """One process that loaded it and dies loses nothing; what is saved again takes its place."""
    open_kept(tmp_path).save([ROW])
    first = open_kept(tmp_path)
    first.load()
    second = open_kept(tmp_path)
    assert second.load() == [ROW]
    second.save([ROW, replace(ROW, completion_id="c2")])
    (only,) = tmp_path.iterdir()
    third = open_kept(tmp_path)
    assert len(third.load()) == 2 and only.exists()
    third.clear()
    first.clear()  # has gone already
    assert not list(tmp_path.iterdir())


def test_files_of_another_database_are_left_alone(tmp_path: Path) -> None:
    """`vitrail ask` has a database for itself in the same data directory."""
    open_kept(tmp_path).save([ROW])
    other = open_kept(tmp_path, "sqlite:////tmp/ask.db")
    assert other.load() == []
    other.clear()
    assert open_kept(tmp_path).load() == [ROW]


@pytest.mark.parametrize("content", [b"", b"[{}]", b"\xff"])
def test_a_file_that_cannot_be_read_is_left_for_a_person(tmp_path: Path, content: bytes) -> None:
    """The others are loaded, and it is not removed with them."""
    path = open_kept(tmp_path).save([ROW])
    broken = path.with_name(path.name.replace(".json", "0.json"))
    broken.write_bytes(content)
    kept = open_kept(tmp_path)
    assert kept.load() == [ROW]
    kept.clear()
    assert list(tmp_path.iterdir()) == [broken]
