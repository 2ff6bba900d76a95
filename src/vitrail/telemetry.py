"""Logs and metrics: structlog on stderr, one event a line, and Prometheus counters in a registry of their own.

Never a key, an image, a URL or a prompt goes in here.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal, Protocol

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.completion import Usage
from vitrail.domain.settlement import CompletionStatus

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class LogOptions(BaseModel):
    """What is logged, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level that is shown.")
    format: Literal["console", "json"] = Field("console", description="Lines for people, or JSON for a log collector.")


def configure_logging(options: LogOptions) -> None:
    """Set up structlog for the whole process: stderr, UTC times, no colour unless it is a terminal."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if options.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, options.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class SlotCounts(Protocol):
    """What knows its generations; `engines.slots.Slots` does."""

    @property
    def running(self) -> int:
        """Return how many generations run."""
        ...

    @property
    def waiting(self) -> int:
        """Return how many requests wait."""
        ...


class Restarts(Protocol):
    """What knows its restarts; an engine with a process of its own does."""

    @property
    def restarts(self) -> int:
        """Return how many there were."""
        ...


class Loads(Protocol):
    """What knows whether its model is in memory; `engines.on_demand.OnDemand` does."""

    @property
    def is_loaded(self) -> bool:
        """Tell whether the model is in memory."""
        ...

    @property
    def loads(self) -> int:
        """Return how often it was loaded."""
        ...

    @property
    def unloads(self) -> int:
        """Return how often it was unloaded to make room."""
        ...


class Metrics:
    """The server's Prometheus metrics, rendered by `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("vitrail_requests", "Requests by route and status.", "route", "status")
        self._request_seconds = self._histogram("vitrail_request_seconds", "Time to the end of an answer.", "route")
        self._completions = self._counter("vitrail_completions", "Completions and how they ended.", "model", "status")
        self._tokens = self._counter("vitrail_tokens", "Billed tokens by model and kind.", "model", "kind")
        self._first_piece_seconds = self._histogram("vitrail_first_piece_seconds", "Time to the first piece.", "model")
        self._slots = Gauge(
            "vitrail_slots", "Generations by model and state.", ["model", "state"], registry=self.registry
        )
        self._engine_prompt_tokens = self._counter(
            "vitrail_engine_prompt_tokens",
            "Prompt tokens that engines used by their own count, pictures included.",
            "model",
        )
        self._restarts = self._gauge(
            "vitrail_engine_restarts", "Restarts of a model's engine process since the server started."
        )

        self._loaded = self._gauge("vitrail_model_loaded", "Whether a model is in memory, where there is a budget.")
        self._loads = self._gauge("vitrail_model_loads", "Loads of a model since the server started.")
        self._unloads = self._gauge("vitrail_model_unloads", "Unloads of a model that made room for another one.")

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def observe_completion(
        self, model: str, status: CompletionStatus, usage: Usage, first_piece_ms: float | None
    ) -> None:
        """Count one settled completion."""
        self._completions.labels(model, status.value).inc()
        counts = {
            "prompt_text": usage.text_tokens,
            "prompt_image": usage.image_tokens,
            "cached_prompt_text": usage.cached_tokens,
            "completion": usage.completion_tokens,
            "reasoning": usage.reasoning_tokens,
        }
        for kind, tokens in counts.items():
            self._tokens.labels(model, kind).inc(tokens)
        if first_piece_ms is not None:
            self._first_piece_seconds.labels(model).observe(first_piece_ms / 1000)

    def observe_engine_prompt(self, model: str, tokens: int) -> None:
        """Count what an engine used of a prompt by its own count, beside what the tile plan bills."""
        self._engine_prompt_tokens.labels(model).inc(tokens)

    def watch_slots(self, model: str, slots: SlotCounts) -> None:
        """Show how many generations of a model run and wait, read at every scrape."""
        self._slots.labels(model, "running").set_function(lambda: slots.running)
        self._slots.labels(model, "waiting").set_function(lambda: slots.waiting)

    def watch_restarts(self, model: str, engine: Restarts) -> None:
        """Show how often the process of a model's engine was started again, read at every scrape."""
        self._restarts.labels(model).set_function(lambda: engine.restarts)

    def watch_loads(self, model: str, engine: Loads) -> None:
        """Show whether a model is in memory and how often it came and went, read at every scrape."""
        self._loaded.labels(model).set_function(lambda: engine.is_loaded)
        self._loads.labels(model).set_function(lambda: engine.loads)
        self._unloads.labels(model).set_function(lambda: engine.unloads)

    def _gauge(self, name: str, help_line: str) -> Gauge:
        return Gauge(name, help_line, ["model"], registry=self.registry)

    def _counter(self, name: str, help_line: str, *labels: str) -> Counter:
        return Counter(name, help_line, labels, registry=self.registry)

    def _histogram(self, name: str, help_line: str, *labels: str) -> Histogram:
        return Histogram(name, help_line, labels, buckets=_SECONDS, registry=self.registry)

    def render(self) -> tuple[bytes, str]:
        """Return the metrics page and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
