"""A completion service over a real database and real ingest; only the engine is a fake, led by the test."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from vitrail.domain.chat import ChatRequest, ImagePart, Message, Role, Sampling, TextPart
from vitrail.domain.completion import FinishReason
from vitrail.domain.keys import Grant
from vitrail.domain.models import Model, Prices
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.engines.base import Capabilities, FinishPiece, Health, Piece, Prompt, TextPiece, Token
from vitrail.ingest.fetch import Fetcher, FetchOptions
from vitrail.ingest.prepare import Ingest, IngestOptions
from vitrail.ingest.workers import DecodeOptions, DecodeWorkers
from vitrail.service.admission import Admission
from vitrail.service.billing import Billing, BillingOptions
from vitrail.service.catalog import Catalog
from vitrail.service.completion import Completions
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.service.ledger import Ledger, LedgerOptions
from vitrail.service.rate_limits import RateLimitOptions, RateLimits
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import completions
from vitrail.telemetry import Metrics


@dataclass
class FakeEngine:
    """Yields the pieces it is given; an exception among them is raised, a callable is awaited."""

    pieces: list[Any] = field(default_factory=lambda: [TextPiece("Hi"), FinishPiece(FinishReason.STOP)])
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(images=True, structured=True))
    fingerprint: str = "fake 1"
    prompts: list[tuple[Prompt, Sampling]] = field(default_factory=list)
    closed: int = 0

    async def start(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def health(self) -> Health:
        """Be ready."""
        return Health(ready=True)

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Count words."""
        return sum(len(message.text.split()) for message in prompt.messages)

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Cut at spaces."""
        return tuple(Token(id=k, text=word, raw=word.encode()) for k, word in enumerate(text.split()))

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the pieces."""
        self.prompts.append((prompt, sampling))
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                if callable(piece):
                    await piece()
                else:
                    yield piece
                await asyncio.sleep(0)
        finally:
            self.closed += 1


@dataclass
class Bench:
    """What a test holds: the service, its engine, a grant, and the rows that were settled."""

    completions: Completions
    engine: FakeEngine
    grant: Grant
    database: Database
    admission: Admission

    def rows(self) -> list[Any]:
        """Return every settled completion."""
        return self.database.run(lambda connection: list(connection.execute(select(completions))))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = open_database(DatabaseOptions(), data_dir=tmp_path)
    keyring = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0)
    grant = Grant(key=keyring.create(name="test").key, endpoint="chat", request_id="r-1", client_ip="127.0.0.1")
    engine = FakeEngine()
    model = Model(
        id="facts-1",
        engine="fake",
        created=1,
        aliases=("grok-2-vision",),
        context_tokens=4096,
        prices=Prices(prompt_text=1, prompt_image=10, completion_text=100),
    )
    ingest = Ingest(IngestOptions(), fetcher=Fetcher(FetchOptions()), workers=DecodeWorkers(DecodeOptions(workers=1)))
    billing = Billing(database, BillingOptions())
    admission = Admission(keyring, limits=RateLimits(RateLimitOptions()), billing=billing)
    service = Completions(
        admission=admission,
        catalog=Catalog([model], fingerprint_text=lambda _: engine.fingerprint),
        ingest=ingest,
        engines={"facts-1": engine},
        ledger=Ledger(database, LedgerOptions(), billing=billing),
        metrics=Metrics(),
        new_id=lambda: f"c-{len(engine.prompts)}",
        monotonic=lambda: 0.0,
    )
    yield Bench(completions=service, engine=engine, grant=grant, database=database, admission=admission)
    await ingest.close()
    database.close()


@pytest.fixture
def data_uri() -> Callable[..., str]:
    def make(width_px: int, height_px: int, colour: str = "red") -> str:
        out = io.BytesIO()
        Image.new("RGB", (width_px, height_px), colour).save(out, "PNG")
        return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()

    return make


@pytest.fixture
def ask() -> Callable[..., ChatRequest]:
    def make(text: str = "what is it", *urls: str, model: str = "grok-2-vision", **fields: Any) -> ChatRequest:
        images = tuple(
            ImagePart(ImageReference(memoryview(url.encode()), Detail.AUTO, f"messages[0].content[{k}].image_url.url"))
            for k, url in enumerate(urls)
        )
        message = Message(role=Role.USER, parts=(*images, TextPart(text)))
        return ChatRequest(model=model, messages=(message,), **fields)

    return make
