"""Everything that the surfaces call, handed in by `app.py`; nothing here is global."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from vitrail.service.accounts import Accounts
from vitrail.service.admission import Admission
from vitrail.service.catalog import Catalog
from vitrail.service.completion import Completions
from vitrail.service.deferred import Deferred
from vitrail.service.health import HealthReport
from vitrail.service.image_generation import ImageGenerations
from vitrail.service.invoices import Invoices
from vitrail.service.keyring import Keyring
from vitrail.service.management_keys import ManagementKeys
from vitrail.service.perception import Perceptions
from vitrail.service.responses import Responses
from vitrail.service.scripted import ScriptDesk
from vitrail.service.teams import Teams
from vitrail.service.tokens import Tokens
from vitrail.service.usage import Usage


class Log(Protocol):
    """Takes one event a line; a structlog logger is one."""

    def info(self, event: str, **fields: Any) -> Any:
        """Log an event that is as it should be."""

    def error(self, event: str, **fields: Any) -> Any:
        """Log an event that an operator should look at."""


@dataclass(frozen=True, slots=True)
class Management:
    """What operators may do; everything runs on the calling thread."""

    keys: ManagementKeys
    keyring: Keyring
    teams: Teams
    accounts: Accounts
    invoices: Invoices
    usage: Usage


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases behind the surfaces, and the clock, ids, log and metrics they are answered with."""

    admission: Admission
    catalog: Catalog
    completions: Completions
    deferred: Deferred
    responses: Responses
    tokens: Tokens
    perceptions: Perceptions
    images: ImageGenerations
    management: Management
    health: HealthReport
    render_metrics: Callable[[], tuple[bytes, str]]  # the page and its content type
    observe_request: Callable[[str, int, float], None]  # route, status, seconds
    scripted: ScriptDesk | None = None  # where a model is scripted
    grpc_address: str | None = None  # where the gRPC surface listens
    log: Log = field(default_factory=structlog.get_logger)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    monotonic: Callable[[], float] = time.monotonic
