"""The command line: serve, ask, tokens, models, keys. Each command parses, calls and prints; logic lives below."""

from __future__ import annotations

from vitrail.cli.program import main

__all__ = ["main"]
