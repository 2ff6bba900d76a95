"""THE path of a chat completion: prepare -> generate -> settle. Every surface's answers come from here.

`Completions.open` does everything that may still be refused with a status, up to the engine's first piece. What it
returns is a stream of chunks; the plain answer is that stream, folded. Knows nothing of JSON, protobuf or HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from vitrail.domain.chat import ChatRequest, ImagePart, Message
from vitrail.domain.completion import Chunk, Completion, CompletionHead, Usage, fold_chunks
from vitrail.domain.keys import Grant
from vitrail.domain.limits import UNCOUNTED, Allowance
from vitrail.domain.models import Model
from vitrail.domain.pictures import MeasuredImage, PreparedImage
from vitrail.domain.settlement import CompletionStatus, Settlement, count_cost
from vitrail.engines.base import (
    Engine,
    FinishPiece,
    Piece,
    Prompt,
    PromptMessage,
    ReasoningPiece,
    TextPiece,
    ToolCallPiece,
)
from vitrail.ingest.prepare import Ingest
from vitrail.service.admission import Admission, Permit
from vitrail.service.answer_shape import AnswerShape, plan_shape
from vitrail.service.catalog import Catalog
from vitrail.service.generation import generate_choices
from vitrail.service.ledger import Ledger
from vitrail.service.refusals import check_capabilities, check_context
from vitrail.telemetry import Metrics


@dataclass(slots=True)
class Timing:
    """Where a request's time went, in milliseconds; filled while it runs."""

    prepare_ms: float | None = None
    first_piece_ms: float | None = None
    total_ms: float | None = None


class ChunkStream:
    """The chunks of a running completion. Closing it, also unread, cancels the engine and settles what was sent."""

    def __init__(self, first: Chunk, rest: AsyncGenerator[Chunk, None]) -> None:
        self._first: Chunk | None = first
        self._rest = rest

    def __aiter__(self) -> ChunkStream:
        return self

    async def __anext__(self) -> Chunk:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        """End the completion; safe to call twice."""
        await self._rest.aclose()


@dataclass(frozen=True, slots=True)
class OpenCompletion:
    """A completion whose first piece is here."""

    head: CompletionHead
    prompt_usage: Usage
    chunks: ChunkStream = field(repr=False)
    timing: Timing
    allowance: Allowance = UNCOUNTED

    async def fold(self, *, on_text: Callable[[str], None] | None = None) -> Completion:
        """Read all chunks and return the whole completion; `on_text` hears each text as it comes."""
        read: list[Chunk] = []
        async with aclosing(self.chunks) as chunks:
            async for chunk in chunks:
                read.append(chunk)
                if on_text is not None and chunk.text:
                    on_text(chunk.text)
        return fold_chunks(self.head, read, prompt=self.prompt_usage)


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request that nothing speaks against: its model, its images not yet decoded, its prompt usage.

    `request` has its JSON Schemas in the form that engines get; `shape` is what the answer has to look like. The
    permit has to be closed.
    """

    request: ChatRequest
    shape: AnswerShape
    model: Model
    images: tuple[MeasuredImage, ...]
    usage: Usage
    permit: Permit = field(repr=False)


class Completions:
    """Answer chat requests. `engines` maps a model's id to its engine, already wrapped in slots."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        admission: Admission,
        ingest: Ingest,
        engines: Mapping[str, Engine],
        ledger: Ledger,
        metrics: Metrics,
        new_id: Callable[[], str],
        monotonic: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalog = catalog
        self._admission = admission
        self._ingest = ingest
        self._engines = engines
        self._ledger = ledger
        self._metrics = metrics
        self._new_id = new_id
        self._monotonic = monotonic
        self._now = now
        self._log = structlog.get_logger("vitrail.completion")

    async def open(
        self, request: ChatRequest, grant: Grant, *, job_id: str | None = None, is_read_whole: bool = False
    ) -> OpenCompletion:
        """Check, prepare and start the generation; return with the first piece at hand.

        With `job_id` the completion has that id and is settled only when it came whole, so a job that is run again
        is billed once. `is_read_whole` tells that the chunks will be folded. Raises any Failure: nothing was sent yet,
        so a surface can answer with its status.
        """
        started = self._monotonic()
        is_job = job_id is not None
        model, prompt, usage, shape, permit = await self._prepare(request, grant, is_job=is_job)
        prompt = replace(prompt, is_read_whole=is_read_whole)
        engine = self._engines[model.id]
        timing = Timing(prepare_ms=(self._monotonic() - started) * 1000)
        head = CompletionHead(
            id=job_id or self._new_id(),
            created=int(self._now().timestamp()),
            model=model.id,
            system_fingerprint=self._catalog.fingerprint(model),
        )
        run = _Run(
            model=model,
            grant=grant,
            head=head,
            usage=usage,
            timing=timing,
            started=started,
            n=request.n,
            is_job=is_job,
            permit=permit,
        )
        pieces = generate_choices(
            engine,
            prompt,
            request.sampling,
            n=request.n,
            shape=shape,
            call_seed=head.id,
            thinks=model.reasoning,
        )
        chunks = self._chunks(run, pieces)
        first = await anext(chunks)
        timing.first_piece_ms = (self._monotonic() - started) * 1000
        return OpenCompletion(
            head=head,
            prompt_usage=usage,
            chunks=ChunkStream(first, chunks),
            timing=timing,
            allowance=permit.allowance,
        )

    async def check(self, request: ChatRequest, grant: Grant, *, is_job: bool = False) -> CheckedRequest:
        """Refuse whatever can be refused before a pixel is decoded.

        That is model, rate limits, money, arguments, images, context window. A job's request was counted before.
        """
        self._ledger.check_room()
        model = self._catalog.resolve_language(request.model, grant)
        engine = self._engines[model.id]
        check_capabilities(request, model, engine.capabilities)
        permit = await self._admission.admit_completion(grant, model, is_job=is_job)
        request, shape = await plan_shape(request)
        images = await self._ingest.measure(request.image_references)
        image_tokens = sum(image.plan.image_tokens for image in images)
        text_tokens = await engine.count_text_tokens(build_prompt(request, ()))
        check_context(text_tokens=text_tokens, image_tokens=image_tokens, model=model)
        usage = Usage(text_tokens=text_tokens, image_tokens=image_tokens)
        usage = replace(usage, cost_ticks=count_cost(usage, model.prices).total_ticks)
        await permit.reserve(tokens=usage.prompt_tokens, cost_ticks=usage.cost_ticks, is_counted=is_job)
        return CheckedRequest(request, shape, model, images, usage, permit)

    async def _prepare(
        self, request: ChatRequest, grant: Grant, *, is_job: bool
    ) -> tuple[Model, Prompt, Usage, AnswerShape, Permit]:
        """Check, then decode. A function of its own, so that the encoded images are freed before the generation."""
        checked = await self.check(request, grant, is_job=is_job)
        capabilities = self._engines[checked.model.id].capabilities
        try:
            pictures = await self._ingest.prepare(
                checked.images, team_id=grant.team_id, long_edge_px=capabilities.picture_long_edge_px
            )
        except BaseException:
            await asyncio.shield(checked.permit.close())
            raise
        prompt = build_prompt(checked.request, pictures, asker=grant.key.id)
        return checked.model, prompt, checked.usage, checked.shape, checked.permit

    async def _chunks(self, run: _Run, pieces: AsyncGenerator[tuple[int, Piece], None]) -> AsyncGenerator[Chunk, None]:
        """Turn pieces into chunks with usage counted up to each; settle once, whatever happens.

        The last chunk is yielded after the settlement, so an answer that arrived whole is one that was recorded.
        """
        status = CompletionStatus.FAILED
        try:
            async with aclosing(pieces):
                async for index, piece in pieces:
                    chunk = run.chunk(index, piece)
                    if isinstance(piece, FinishPiece):
                        self._note_engine_prompt(run, index, piece)
                    if run.is_finished:
                        await asyncio.shield(self._settle(run, CompletionStatus.FINISHED))
                    yield chunk
        except (GeneratorExit, asyncio.CancelledError):
            status = CompletionStatus.CANCELLED
            raise
        finally:
            await asyncio.shield(self._end(run, status))

    def _note_engine_prompt(self, run: _Run, index: int, piece: FinishPiece) -> None:
        """Say what the engine really used of the prompt, beside what the client is billed."""
        if piece.engine_prompt_tokens is None:
            return
        self._metrics.observe_engine_prompt(run.model.id, piece.engine_prompt_tokens)
        self._log.info(
            "prompt tokens",
            request_id=run.grant.request_id,
            completion_id=run.head.id,
            choice=index,
            model=run.model.id,
            engine=piece.engine_prompt_tokens,
            engine_cached=piece.cached_tokens,
            billed_text=run.usage.text_tokens,
            billed_image=run.usage.image_tokens,
        )

    async def _end(self, run: _Run, status: CompletionStatus) -> None:
        await self._settle(run, status)
        await run.permit.close(tokens=run.usage.total_tokens if run.counted else 0)

    async def _settle(self, run: _Run, status: CompletionStatus) -> None:
        """Record the run's usage, unless that was done or no piece ever came."""
        if run.settled or not run.counted:
            return
        run.settled = True
        run.timing.total_ms = (self._monotonic() - run.started) * 1000
        self._metrics.observe_completion(run.model.id, status, run.usage, run.timing.first_piece_ms)
        if run.is_job and status is not CompletionStatus.FINISHED:
            return
        await self._ledger.settle(
            Settlement(
                completion_id=run.head.id,
                request_id=run.grant.request_id,
                team_id=run.grant.team_id,
                api_key_id=run.grant.key.id,
                endpoint=run.grant.endpoint,
                model=run.model.id,
                status=status,
                at=self._now(),
                usage=run.usage,
                cost=count_cost(run.usage, run.model.prices),
                client_ip=run.grant.client_ip,
            )
        )


@dataclass(slots=True)
class _Run:
    """One completion under way, with its usage so far."""

    model: Model
    grant: Grant
    head: CompletionHead
    usage: Usage
    timing: Timing
    started: float
    n: int
    is_job: bool
    permit: Permit
    counted: dict[int, tuple[int, int]] = field(default_factory=dict)  # choice -> completion, reasoning tokens
    finished: set[int] = field(default_factory=set)
    settled: bool = False

    @property
    def is_finished(self) -> bool:
        """Tell whether every choice has its last piece."""
        return len(self.finished) == self.n

    def chunk(self, index: int, piece: Piece) -> Chunk:
        """Count a piece and return it as a chunk of choice `index`."""
        completion, reasoning = self.counted.get(index, (0, 0))
        prompt = self.usage
        match piece:
            case TextPiece() | ToolCallPiece():
                completion += piece.tokens
            case ReasoningPiece():
                reasoning += piece.tokens
            case FinishPiece():
                completion = completion if piece.completion_tokens is None else piece.completion_tokens
                reasoning = reasoning if piece.reasoning_tokens is None else piece.reasoning_tokens
                if piece.prompt_text_tokens is not None:
                    prompt = replace(prompt, text_tokens=piece.prompt_text_tokens)
                self.finished.add(index)
        self.counted[index] = (completion, reasoning)
        usage = Usage(
            text_tokens=prompt.text_tokens,
            image_tokens=prompt.image_tokens,
            cached_tokens=_cached_tokens(piece, prompt),
            completion_tokens=sum(c for c, _ in self.counted.values()),
            reasoning_tokens=sum(r for _, r in self.counted.values()),
        )
        self.usage = replace(usage, cost_ticks=count_cost(usage, self.model.prices).total_ticks)
        return Chunk(
            index=index,
            usage=self.usage,
            text=piece.text if isinstance(piece, TextPiece) else "",
            reasoning=piece.text if isinstance(piece, ReasoningPiece) else "",
            tool_calls=(piece.call,) if isinstance(piece, ToolCallPiece) else (),
            logprobs=piece.logprobs if isinstance(piece, TextPiece) else (),
            finish_reason=piece.reason if isinstance(piece, FinishPiece) else None,
            stop_sequence=piece.stop_sequence if isinstance(piece, FinishPiece) else None,
        )


def _cached_tokens(piece: Piece, usage: Usage) -> int:
    """Return how many prompt tokens were cached; an engine counts its own picture tokens, so text is the most."""
    if isinstance(piece, FinishPiece):
        return min(max(usage.cached_tokens, piece.cached_tokens), usage.text_tokens)
    return usage.cached_tokens


def build_prompt(request: ChatRequest, images: tuple[PreparedImage, ...], *, asker: str = "") -> Prompt:
    """Return the request as an engine's prompt; `images` in request order, or none to count text alone."""
    left = iter(images)
    return Prompt(
        messages=tuple(_message(message, left) for message in request.messages),
        response_format=request.response_format,
        tools=request.tools,
        tool_choice=request.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls,
        reasoning_effort=request.reasoning_effort,
        asker=asker,
    )


def _message(message: Message, images: Iterator[PreparedImage]) -> PromptMessage:
    parts = (next(images, None) if isinstance(part, ImagePart) else part for part in message.parts)
    return PromptMessage(
        role=message.role,
        parts=tuple(part for part in parts if part is not None),
        name=message.name,
        tool_calls=message.tool_calls,
        tool_call_id=message.tool_call_id,
    )
