"""Fetch or take the xAI SDK's source, and run its tests with Vitrail in the place of their fake server.

    python -m tools.sdk_tests [SOURCE] [-- PYTEST ARGUMENTS]

SOURCE is an unpacked source folder or the .tar.gz of one; without it pip downloads that of the version that is
installed, into .sdk/, which git ignores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".sdk"
SUITES = ("auth", "models", "tokenize", "client", "chat")
LOCAL = ("chat_test.py", "telemetry_test.py", "file_content_test.py")  # these need no server


def main() -> int:
    """Return pytest's exit status."""
    words, _, more = _split(sys.argv[1:])
    source = find_source(Path(words[0]).resolve() if words else None)
    files = [f"tests/{kind}/{suite}_test.py" for kind in ("sync", "aio") for suite in SUITES]
    command = [sys.executable, "-m", "pytest", "-p", "tools.sdk_tests.plugin", "-c", os.devnull, f"--rootdir={source}"]
    options = ["-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-W", "ignore"]
    path = os.pathsep.join((str(source), str(ROOT)))  # the SDK's `tests` before ours
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_WAIT_POLICY": "passive"}
    tests = [*files, *(f"tests/{name}" for name in LOCAL)]
    return subprocess.run([*command, *options, *tests, *more], cwd=source, env=environment).returncode


def find_source(given: Path | None) -> Path:
    """Return the folder that the SDK's `tests` is in, fetched or unpacked where it has to be."""
    if given is not None and given.is_dir():
        return given
    archive = given or _download()
    folder = CACHE / archive.name.removesuffix(".tar.gz")
    if not folder.is_dir():
        with tarfile.open(archive) as source:
            source.extractall(CACHE, filter="data")
    return folder


def _download() -> Path:
    name = f"xai_sdk-{version('xai-sdk')}.tar.gz"
    if not (CACHE / name).is_file():
        CACHE.mkdir(exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        wanted = ["--no-binary", ":all:", "--no-deps", f"xai-sdk=={version('xai-sdk')}"]
        subprocess.run([*pip, *wanted, "--dest", str(CACHE)], check=True)
    return CACHE / name


def _split(words: list[str]) -> tuple[list[str], str, list[str]]:
    """Cut the words at `--`."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], "--", words[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
