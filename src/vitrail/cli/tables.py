"""Where the commands print their tables: in the width of a terminal, or whole rows for a pipe or a file."""

from __future__ import annotations

from rich.console import Console

_WHOLE_ROW_CHARS = 1000


def open_stdout() -> Console:
    """Return the console of stdout; what reads a pipe has no width, and cut words would be lost to it."""
    console = Console()
    return console if console.is_terminal else Console(width=_WHOLE_ROW_CHARS)
