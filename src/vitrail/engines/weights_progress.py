"""Show how far a pull of weights is: a bar on a terminal, plain lines elsewhere. Knows nothing of sources."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_STEP_PERCENT = 10


class PullProgress(Protocol):
    """Hears what a pull does; called from one thread at a time."""

    def tell(self, line: str) -> None:
        """Show one line."""
        ...

    def begin(self, label: str, *, total_bytes: int | None) -> None:
        """Begin with a file of so many bytes, or of an unknown number."""
        ...

    def advance(self, done_bytes: int) -> None:
        """Show that so many bytes of the file are there; fewer than before after a new start."""
        ...

    def end(self) -> None:
        """End with the file, complete or not."""
        ...


class SilentProgress:
    """Shows nothing."""

    def tell(self, line: str) -> None:
        """Show nothing."""

    def begin(self, label: str, *, total_bytes: int | None) -> None:
        """Show nothing."""

    def advance(self, done_bytes: int) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


class ConsoleProgress:
    """Shows a bar where `console` is a terminal, else a line at every tenth of a file; used in a `with` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._label = ""
        self._total_bytes: int | None = 0
        self._shown_percent = 0

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def tell(self, line: str) -> None:
        """Print the line, above the bar if there is one."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def begin(self, label: str, *, total_bytes: int | None) -> None:
        """Open a bar, or remember what the lines are about."""
        self._label, self._total_bytes, self._shown_percent = label, total_bytes, 0
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task(label, total=total_bytes)
            self._bar.start()

    def advance(self, done_bytes: int) -> None:
        """Move the bar, or print a line when another tenth is there."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done_bytes)
            return
        if self._total_bytes is None:
            return
        percent = 100 * done_bytes // max(1, self._total_bytes)
        if percent >= self._shown_percent + PLAIN_STEP_PERCENT:
            self._shown_percent = percent - percent % PLAIN_STEP_PERCENT
            self.tell(f"{self._label}: {self._shown_percent} % of {render_size(self._total_bytes)}")

    def end(self) -> None:
        """Take the bar down."""
        if self._bar is not None:
            bar, self._bar = self._bar, None
            bar.stop()


def render_size(size_bytes: int | None) -> str:
    """Return a size as people say it: `1.12 GB`, `98.4 MB`."""
    if size_bytes is None:
        return "size unknown"
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
