"""Whether another server takes our key and has the model, told to the operator once. Used by upstream.

What it says is in the log alone: neither a client nor `/readyz` sees names, addresses or words of the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog

from vitrail.domain.errors import Failure
from vitrail.engines.breaker import Clock
from vitrail.engines.openai_client import OpenAIClient
from vitrail.engines.openai_errors import KeyRefused, NotServed

NO_KEY = "the other server refuses the key"
NO_MODEL = "the other server does not have the model"
LIST_SECONDS = 2.0  # for the list of models that a log line names
MOST_NAMES = 20
LONGEST_NAME = 100
REFUSED_SECONDS = 60.0  # how long a refusal keeps health down where the list of models cannot tell


class Standing:
    """What is wrong between us and the server, as last seen; with `lists_all` what it does not list is not there."""

    def __init__(self, *, model: str, lists_all: bool, about: Mapping[str, str], monotonic: Clock) -> None:
        self._model = model
        self._lists_all = lists_all
        self._monotonic = monotonic
        self._trouble = ""
        self._seen_at = 0.0
        self._log = structlog.get_logger(component="upstream", **about)

    async def note_refusal(self, failure: KeyRefused | NotServed, client: OpenAIClient) -> None:
        """Tell why the server refused a request, with the models that it has instead of the one asked for."""
        if isinstance(failure, KeyRefused):
            self.note_refused_key()
        elif self._trouble != NO_MODEL:
            served = list[str]()
            with suppress(Failure):
                served = _read_names(await client.call("GET", "/models", seconds=LIST_SECONDS))
            self._tell_missing(served)

    def note_refused_key(self) -> None:
        """Tell that the key is none of the server's."""
        self._tell(NO_KEY, hint="see api_key of the model")

    def note_answer(self) -> None:
        """Forget the trouble: a request was answered."""
        self._trouble = ""

    def check_names(self, listing: object) -> str:
        """Return what is wrong by the server's list of models, or nothing.

        A name that is not in a list that has others may be known there all the same, so that a refusal holds for a
        while only: without requests, which an operator's balancer may keep away, nothing else would end it.
        """
        served = _read_names(listing)
        is_listed = self._model in served or f"{self._model}:latest" in served  # so Ollama has it
        is_old = self._monotonic() - self._seen_at > REFUSED_SECONDS
        if is_listed or not served or is_old or self._trouble == NO_KEY:  # the list was not refused
            self._trouble = ""
        if served and not is_listed and self._lists_all:
            self._tell_missing(served)
        return self._trouble

    def _tell_missing(self, served: list[str]) -> None:
        names = [name[:LONGEST_NAME] for name in served[:MOST_NAMES]]
        hint = "see upstream_model of the model, and that its base_url ends with /v1"
        self._tell(NO_MODEL, upstream_model=self._model, served=names, hint=hint)

    def _tell(self, trouble: str, **details: object) -> None:
        if trouble != self._trouble:
            self._log.error(trouble, **details)
        self._trouble, self._seen_at = trouble, self._monotonic()


def _read_names(listing: Any) -> list[str]:
    """Return the names in a list of models, none where it has another shape."""
    rows = listing.get("data") if isinstance(listing, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [name for name in names if isinstance(name, str)]
