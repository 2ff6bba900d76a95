"""A REST app over the real services; its engine is a fake that plays a list of steps."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
import uuid
import zlib
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import uvicorn

from vitrail.domain.chat import Sampling
from vitrail.domain.completion import FinishReason
from vitrail.domain.models import Modality, Model, Prices
from vitrail.domain.perception import FactKind, Perceived, PerceivedFact
from vitrail.domain.pictures import PreparedImage
from vitrail.engines.base import Capabilities, FinishPiece, Health, Piece, Prompt, TextPiece, Token
from vitrail.engines.image_slots import ImageSlots
from vitrail.engines.slots import SlotsOptions
from vitrail.engines.upstream_images import UpstreamImages
from vitrail.engines.upstream_options import UpstreamOptions
from vitrail.http_api.connection import bounded_protocol
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.routes import create_http_app
from vitrail.ingest.fetch import Fetcher, FetchOptions
from vitrail.ingest.prepare import Ingest, IngestOptions
from vitrail.ingest.workers import DecodeOptions, DecodeWorkers
from vitrail.service.accounts import Accounts
from vitrail.service.admission import Admission
from vitrail.service.billing import Billing, BillingOptions
from vitrail.service.catalog import Catalog
from vitrail.service.completion import Completions
from vitrail.service.deferred import Deferred, DeferredOptions
from vitrail.service.health import HealthReport
from vitrail.service.image_generation import ImageGenerations
from vitrail.service.invoices import Invoices
from vitrail.service.job_runner import JobRunner
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.service.ledger import Ledger, LedgerOptions
from vitrail.service.management_keys import ManagementKeys
from vitrail.service.perception import Perceptions
from vitrail.service.rate_limits import RateLimitOptions, RateLimits
from vitrail.service.responses import Responses, ResponsesOptions
from vitrail.service.services import Management, Services
from vitrail.service.teams import Teams
from vitrail.service.tokens import Tokens
from vitrail.service.usage import Usage, UsageOptions
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.telemetry import Metrics

MODEL = Model(
    id="fake-vision-1",
    engine="fake",
    created=1_740_000_000,
    aliases=("grok-2-vision-latest", "team/vision"),
    prices=Prices(prompt_text=20000, prompt_image=20000, cached_prompt_text=5000, completion_text=100000),
)
IMAGE_MODEL = Model(
    id="grok-2-image-1212",
    engine="upstream",
    created=1_740_000_000,
    aliases=("grok-2-image",),
    input_modalities=(Modality.TEXT,),
    output_modalities=(Modality.IMAGE,),
    context_tokens=1024,
    prices=Prices(image=7),
)
REQUEST_IDS = "00000000-0000-4000-8000-{:012d}"


class FakeEngine:
    """Plays `script`: pieces are yielded, events waited for, exceptions raised; remembers what it was asked."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(images=True, logprobs=True, structured=True, tools=True)
        self.fingerprint = "fake"
        self.script: list[Piece | asyncio.Event | Exception] = [
            TextPiece("Hello"),
            TextPiece(" world"),
            FinishPiece(FinishReason.STOP),
        ]
        self.prompts: list[Prompt] = []
        self.samplings: list[Sampling] = []
        self.waits = asyncio.Event()  # set when the engine waits for an event of its script
        self.ended = asyncio.Event()  # set when a generation has ended, in whatever way
        self.is_ready = True

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def health(self) -> Health:
        return Health(ready=self.is_ready)

    async def count_text_tokens(self, prompt: Prompt) -> int:
        return sum(len(message.text.split()) for message in prompt.messages)

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        return tuple(Token(id=i, text=word, raw=word.encode()) for i, word in enumerate(text.split()))

    async def perceive(self, image: PreparedImage, *, asker: str = "") -> Perceived:
        size = image.picture.width_px, image.picture.height_px
        facts = (
            PerceivedFact(FactKind.TEXT, "EXIT", 0.98765, (1.04, 2.0, 30.0, 12.0)),
            PerceivedFact(FactKind.COLOUR, asker),
        )
        return Perceived(*size, medium="graphic", facts=facts)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    self.waits.set()
                    await step.wait()
                else:
                    yield step
        finally:
            self.ended.set()


@dataclass
class RecordedLog:
    """Keeps log events for tests to look at."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))


class TellingServer(uvicorn.Server):
    """Sets `ready` once connections are taken."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@dataclass
class Surface:
    """A REST app with its parts at hand; `serve` runs it on a loopback port."""

    app: Any
    engine: FakeEngine
    secret: str
    key_id: str
    database: Database
    keyring: Keyring
    services: Services
    jobs: JobRunner
    log: RecordedLog
    options: HttpOptions
    observed: list[tuple[str, int]]
    client: httpx2.AsyncClient
    stop: Callable[[], None] = lambda: None  # tells a running server to stop

    @property
    def key(self) -> dict[str, str]:
        """Return the headers of a good key."""
        return {"authorization": f"Bearer {self.secret}"}

    async def chat(self, **fields: Any) -> httpx2.Response:
        """Send a chat request with a good key."""
        body = {"model": MODEL.id, "messages": [{"role": "user", "content": "Hi there"}], **fields}
        return await self.client.post("/v1/chat/completions", json=body, headers=self.key)

    async def post_raw(self, content: bytes, **headers: str) -> httpx2.Response:
        """Send bytes as a chat request with a good key."""
        sent = {"content-type": "application/json", **self.key, **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.client.post("/v1/chat/completions", content=content, headers=sent)

    async def run_jobs(self) -> None:
        """Run every deferred completion that is due."""
        while await self.jobs.run_next():
            pass

    @contextlib.asynccontextmanager
    async def serve(self, *, graceful_seconds: float = 1) -> AsyncIterator[str]:
        """Run the app on a free loopback port and yield its address, `127.0.0.1:PORT`."""
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self.app,
            http=bounded_protocol(self.options),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=graceful_seconds,  # type: ignore[arg-type]
        )
        server = TellingServer(config)

        def stop() -> None:
            server.should_exit = True

        self.stop = stop
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.ready.wait()
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
            listener.close()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One database for the whole run; keys are made anew for each test."""
    database = open_database(DatabaseOptions(), data_dir=tmp_path_factory.mktemp("http_api"))
    yield database
    database.close()


@pytest.fixture
async def open_surface(database: Database) -> AsyncIterator[Callable[..., Surface]]:
    """Return a maker of surfaces; `options` are those of HttpOptions.

    With `image_models` it has image models too; their engine is the real one and asks a server of the test. With
    `charge` its team pays.
    """
    async with contextlib.AsyncExitStack() as stack:
        yield lambda *, image_models=None, charge=False, **options: _open(
            database, stack, HttpOptions(**options), image_models=image_models or {}, charge=charge
        )


@pytest.fixture
async def open_images() -> AsyncIterator[Callable[..., Any]]:
    """Return a maker of `image_models` for `open_surface`, asking the server at `url`; options are UpstreamOptions."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_images(url: str, *models: Model, **options: Any) -> dict[Model, ImageSlots]:
            opened = {}
            for model in models or (IMAGE_MODEL,):
                engine = UpstreamImages(UpstreamOptions(**options), base_url=url, model="painter", key="sk-operator")
                opened[model] = ImageSlots(engine, SlotsOptions(drain_seconds=0))
                await opened[model].start()
                stack.push_async_callback(opened[model].close)
            return opened

        yield open_images


@pytest.fixture
def surface(open_surface: Callable[..., Surface]) -> Surface:
    """Return a surface with the default options."""
    return open_surface()


@pytest.fixture(scope="session")
def png() -> str:
    """Return the data URI of a 640 x 420 picture in one colour: 2 x 1 tiles."""
    return png_data_uri(640, 420)


def png_data_uri(width: int, height: int) -> str:
    """Return a PNG in one colour as a data URI."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x20\x80\xc0" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + b64encode(data).decode()


@pytest.fixture
def read_events() -> Callable[[str], list[Any]]:
    """Return a parser of an event stream: the JSON of each event, `[DONE]` as a string."""

    def read(text: str) -> list[Any]:
        lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    return read


def _open(
    database: Database,
    stack: contextlib.AsyncExitStack,
    options: HttpOptions,
    *,
    image_models: dict[Model, ImageSlots],
    charge: bool,
) -> Surface:
    engine, log, observed = FakeEngine(), RecordedLog(), []
    keyring = Keyring(database, KeyringOptions(cache_seconds=0), monotonic=time.monotonic)
    ids = iter(range(1, 1_000_000))
    engines: dict[str, Any] = {MODEL.id: engine}
    image_engines = {model.id: slots for model, slots in image_models.items()}
    all_engines = {**engines, **image_engines}
    catalog = Catalog([MODEL, *image_models], fingerprint_text=lambda model: all_engines[model.id].fingerprint)
    billing = Billing(database, BillingOptions(charge=charge))
    ledger = Ledger(database, LedgerOptions(), billing=billing)
    admission = Admission(keyring, limits=RateLimits(RateLimitOptions()), billing=billing)
    ingest = Ingest(IngestOptions(), fetcher=Fetcher(FetchOptions()), workers=DecodeWorkers(DecodeOptions(workers=1)))
    stack.push_async_callback(ingest.close)
    metrics = Metrics()
    completions = Completions(
        catalog=catalog,
        admission=admission,
        ingest=ingest,
        engines=engines,
        ledger=ledger,
        metrics=metrics,
        new_id=lambda: f"10000000-0000-4000-8000-{time.time_ns() % 10**12:012d}",
        monotonic=time.monotonic,
    )
    deferring = DeferredOptions(team_jobs=3)
    jobs = JobRunner(
        database, completions, admission, deferring, new_id=lambda: str(uuid.uuid4()), monotonic=time.monotonic
    )
    services = Services(
        admission=admission,
        catalog=catalog,
        completions=completions,
        deferred=Deferred(database, completions, deferring, wake=jobs.wake, new_id=lambda: str(uuid.uuid4())),
        responses=Responses(database, ResponsesOptions(conversation_bytes=20_000), completions=completions),
        tokens=Tokens(catalog=catalog, ingest=ingest, engines=engines),
        perceptions=Perceptions(catalog=catalog, admission=admission, ingest=ingest, engines=engines),
        images=ImageGenerations(
            catalog=catalog,
            admission=admission,
            engines=image_engines,
            ledger=ledger,
            metrics=metrics,
            new_id=lambda: str(uuid.uuid4()),
        ),
        management=Management(
            keys=ManagementKeys(database),
            keyring=keyring,
            teams=Teams(database),
            accounts=Accounts(database),
            invoices=Invoices(database),
            usage=Usage(database, UsageOptions()),
        ),
        health=HealthReport(all_engines, database, draining=lambda: False),
        render_metrics=metrics.render,
        observe_request=lambda route, status, seconds: observed.append((route, status)),
        log=log,
        new_id=lambda: REQUEST_IDS.format(next(ids)),
    )
    app = create_http_app(services, options)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://vitrail.test")
    stack.push_async_callback(client.aclose)
    new = keyring.create(name="test", team=f"team of {uuid.uuid4()}")
    return Surface(
        app=app,
        engine=engine,
        secret=new.secret,
        key_id=new.key.id,
        database=database,
        keyring=keyring,
        services=services,
        jobs=jobs,
        log=log,
        options=options,
        observed=observed,
        client=client,
    )
