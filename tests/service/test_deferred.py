"""Deferred completions: accepted or refused at once, run once, handed over once, lost never."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pybase64
import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from vitrail.domain.chat import ChatRequest
from vitrail.domain.completion import Completion, FinishReason
from vitrail.domain.errors import (
    ContextTooLong,
    Failure,
    InternalFailure,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnknownModel,
)
from vitrail.domain.jobs import Lease
from vitrail.domain.models import Model
from vitrail.engines.base import FinishPiece, TextPiece
from vitrail.ingest.fetch import Fetcher, FetchOptions
from vitrail.ingest.prepare import Ingest, IngestOptions
from vitrail.ingest.workers import DecodeOptions, DecodeWorkers
from vitrail.service.admission import Admission
from vitrail.service.billing import Billing, BillingOptions
from vitrail.service.catalog import Catalog
from vitrail.service.completion import Completions
from vitrail.service.deferred import Deferred, DeferredOptions, Delivery, Pending
from vitrail.service.job_runner import JobRunner
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.service.ledger import Ledger, LedgerOptions
from vitrail.service.rate_limits import RateLimitOptions, RateLimits
from vitrail.store import jobs as sql
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import job_parts, jobs
from vitrail.telemetry import Metrics

Ask = Callable[..., ChatRequest]
DataUri = Callable[..., str]
WORD, DONE = TextPiece("Hi"), FinishPiece(FinishReason.STOP)


@dataclass
class Clock:
    """A wall clock that tests set."""

    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Desk:
    """Deferred completions over the bench, with a clock in hand."""

    bench: Any
    clock: Clock
    keyring: Keyring
    options: DeferredOptions
    paused: Callable[[], bool] = lambda: False
    runner: JobRunner = field(init=False)
    deferred: Deferred = field(init=False)

    def __post_init__(self) -> None:
        self.runner = self.make_runner(self.bench.database)
        self.deferred = Deferred(
            self.bench.database,
            self.bench.completions,
            self.options,
            wake=self.runner.wake,
            new_id=lambda: str(uuid.uuid4()),
            now=self.clock,
        )

    def make_runner(self, database: Database) -> JobRunner:
        """Return a runner, of this process or as of another one."""
        return JobRunner(
            database,
            self.bench.completions,
            Admission(
                self.keyring,
                limits=RateLimits(RateLimitOptions()),
                billing=Billing(database, BillingOptions()),
                now=self.clock,
            ),
            self.options,
            new_id=lambda: str(uuid.uuid4()),
            monotonic=asyncio.get_running_loop().time,
            now=self.clock,
            paused=self.paused,
        )

    async def accept(self, request: ChatRequest) -> str:
        """Accept a request under the bench's grant."""
        return await self.deferred.accept(request, self.bench.grant)

    async def take(self, request_id: str) -> Pending | Delivery:
        """Take an outcome under the bench's grant."""
        return await self.deferred.take(request_id, self.bench.grant)

    async def outcome(self, request_id: str) -> Completion | Failure:
        """Take an outcome that has to be there, and confirm it."""
        taken = await self.take(request_id)
        assert isinstance(taken, Delivery)
        await taken.confirm()
        return taken.outcome

    def count(self) -> int:
        """Return how many jobs there are."""
        return int(self.bench.database.run(lambda c: c.execute(select(func.count()).select_from(jobs)).scalar()))

    def column(self, request_id: str, name: str) -> Any:
        """Return one value of a job's row."""
        return self.bench.database.run(
            lambda c: c.execute(select(jobs.c[name]).where(jobs.c.id == request_id)).scalar()
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run jobs in the background, as a server does."""
        self.runner.start()
        try:
            yield
        finally:
            await self.runner.close()


@pytest.fixture
async def open_desk(bench: Any) -> Callable[..., Desk]:
    """Return a maker of desks; keywords are those of DeferredOptions, and `paused`."""
    keyring = Keyring(bench.database, KeyringOptions(), monotonic=lambda: 0.0)

    def make(paused: Callable[[], bool] = lambda: False, **options: Any) -> Desk:
        return Desk(bench=bench, clock=Clock(), keyring=keyring, options=DeferredOptions(**options), paused=paused)

    return make


@pytest.fixture
async def desk(open_desk: Callable[..., Desk]) -> Desk:
    """Return a desk with the default options."""
    return open_desk()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds in the database, for five seconds at most."""
    async with asyncio.timeout(5):
        while not await holds():  # noqa: ASYNC110 - nobody tells when a row changes
            await asyncio.sleep(0.01)


async def test_f02_f03_a_job_is_pending_then_finished_then_gone(desk: Desk, ask: Ask) -> None:
    """F02, F03: what was accepted waits, is run, is handed over once."""
    request_id = await desk.accept(ask())
    assert await desk.take(request_id) == Pending()
    assert await desk.runner.run_next()
    completion = await desk.outcome(request_id)
    assert isinstance(completion, Completion) and completion.choices[0].text == "Hi"
    with pytest.raises(NotFound):
        await desk.take(request_id)


async def test_an_accepted_request_is_in_the_database(desk: Desk, ask: Ask, tmp_path: Path) -> None:
    """Once the id is known, another process finds the job."""
    request_id = await desk.accept(ask())
    other = open_database(DatabaseOptions(), data_dir=tmp_path)
    assert other.run(lambda c: c.execute(select(jobs.c.state).where(jobs.c.id == request_id)).scalar()) == "pending"
    other.close()


async def test_images_are_stored_as_bytes_and_reach_the_engine(desk: Desk, ask: Ask, data_uri: DataUri) -> None:
    """A picture lies in the database as the file that it is, once, and is seen by the engine as ever."""
    url = data_uri(40, 30)
    await desk.accept(ask("look", url, url))
    stored = desk.bench.database.run(
        lambda c: list(c.execute(select(job_parts.c.data).where(job_parts.c.position > 0)))
    )
    assert [row.data for row in stored] == [pybase64.b64decode(url.partition(",")[2])]
    await desk.runner.run_next()
    prompt, _ = desk.bench.engine.prompts[0]
    assert [(i.picture.width_px, i.picture.height_px) for i in prompt.images] == [(40, 30)] * 2


async def test_an_image_by_url_is_fetched_once_and_at_once(desk: Desk, ask: Ask, data_uri: DataUri) -> None:
    """What came by URL is kept with the request: when it runs, its host may be gone."""
    fetched = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fetched.append(await reader.readuntil(b"\r\n\r\n"))
        body = pybase64.b64decode(data_uri(40, 30).partition(",")[2])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))
        writer.close()

    host = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = host.sockets[0].getsockname()[1]
    fetcher = Fetcher(FetchOptions(allow_hosts=(f"127.0.0.1:{port}",)))
    ingest = Ingest(IngestOptions(), fetcher=fetcher, workers=DecodeWorkers(DecodeOptions(workers=1)))
    engine = desk.bench.engine
    model = Model(id="facts-1", engine="fake", created=1, aliases=("grok-2-vision",))
    desk.bench.completions = Completions(
        admission=desk.bench.admission,
        catalog=Catalog([model], fingerprint_text=lambda _: "fake"),
        ingest=ingest,
        engines={"facts-1": engine},
        ledger=Ledger(desk.bench.database, LedgerOptions(), billing=Billing(desk.bench.database, BillingOptions())),
        metrics=Metrics(),
        new_id=lambda: str(uuid.uuid4()),
        monotonic=lambda: 0.0,
    )
    desk = replace(desk)
    request_id = await desk.accept(ask("look", f"http://127.0.0.1:{port}/a.png"))
    host.close()
    await host.wait_closed()
    await desk.runner.run_next()
    assert isinstance(await desk.outcome(request_id), Completion)
    assert len(fetched) == 1
    assert engine.prompts[0][0].images[0].picture.width_px == 40
    await ingest.close()


async def test_usage_is_that_of_any_completion(desk: Desk, ask: Ask, data_uri: DataUri) -> None:
    """A deferred picture costs its tiles, in the answer and in the ledger."""
    request_id = await desk.accept(ask("what is it", data_uri(1280, 720)))
    await desk.runner.run_next()
    completion = await desk.outcome(request_id)
    assert isinstance(completion, Completion) and completion.usage.image_tokens == 1792
    (row,) = desk.bench.rows()
    assert (row.id, row.image_tokens, row.request_id) == (request_id, 1792, desk.bench.grant.request_id)


@pytest.mark.parametrize(
    ("fields", "failure"),
    [
        ({"model": "grok-9"}, UnknownModel),
        ({"urls": ["data:image/png;base64,AAAA"]}, InvalidArgument),
        ({"urls": ["http://127.0.0.1/x.png"]}, InvalidArgument),
        ({"text": "word " * 5000}, ContextTooLong),
        ({"reasoning_effort": "low"}, InvalidArgument),
    ],
)
async def test_what_can_be_refused_is_refused_at_once(
    desk: Desk, ask: Ask, fields: dict[str, Any], failure: type[Failure]
) -> None:
    """Model, arguments, images and context are judged before the id is given, and nothing is stored."""
    urls, text = fields.pop("urls", []), fields.pop("text", "x")
    with pytest.raises(failure):
        await desk.accept(ask(text, *urls, **fields))
    assert desk.count() == 0


async def test_a_request_over_its_bytes_is_refused(open_desk: Callable[..., Desk], ask: Ask, data_uri: DataUri) -> None:
    """Text and images together have a limit of their own; the text names both numbers."""
    desk = open_desk(request_bytes=100)
    with pytest.raises(InvalidArgument, match=r"may have 100 bytes .* has \d+"):
        await desk.accept(ask("x", data_uri(40, 30)))
    assert desk.count() == 0


async def test_f09_a_team_may_have_so_many_jobs_under_way(
    open_desk: Callable[..., Desk], ask: Ask, data_uri: DataUri
) -> None:
    """F09: one more is RateLimited before its images are looked at; an ended one makes room."""
    desk = open_desk(team_jobs=2)
    for _ in range(2):
        await desk.accept(ask())
    with pytest.raises(RateLimited, match="2 deferred completions under way"):
        await desk.accept(ask("x", "data:image/png;base64,AAAA"))
    await desk.runner.run_next()
    await desk.accept(ask())


async def test_f09_a_team_may_have_so_many_bytes_under_way(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """F09: large requests fill the team's share sooner."""
    desk = open_desk(team_bytes=1500)
    await desk.accept(ask("x" * 1000))
    with pytest.raises(RateLimited, match="over 1,500 bytes together"):
        await desk.accept(ask("x" * 1000))


async def test_f01_f04_f05_every_way_of_not_being_there_has_one_text(desk: Desk, ask: Ask) -> None:
    """F01, F04, F05: unknown, malformed, another team's, expired and taken cannot be told apart."""
    taken, expired, foreign = [await desk.accept(ask()) for _ in range(3)]
    for _ in range(3):
        await desk.runner.run_next()
    await desk.outcome(taken)
    stranger = desk.keyring.create(name="s", team="strangers").key
    texts = set()
    for request_id in (taken, str(uuid.uuid4()), "x", "", "\0" * 36, "' OR 1=1 --", "é" * 5000):
        with pytest.raises(NotFound) as refused:
            await desk.take(request_id)
        texts.add(refused.value.sentence)
    with pytest.raises(NotFound) as refused:
        await desk.deferred.take(foreign, replace(desk.bench.grant, key=stranger))
    texts.add(refused.value.sentence)
    desk.clock.advance(24 * 3600)
    with pytest.raises(NotFound) as refused:
        await desk.take(expired)
    assert texts == {refused.value.sentence}


async def test_f04_two_takers_at_one_moment_get_one_outcome(desk: Desk, ask: Ask) -> None:
    """F04: exactly one gets the completion, the other is told that there is none."""
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    taken = await asyncio.gather(desk.take(request_id), desk.take(request_id), return_exceptions=True)
    assert sorted(type(each).__name__ for each in taken) == ["Delivery", "NotFound"]


async def test_f05_an_outcome_is_kept_for_24_hours(desk: Desk, ask: Ask) -> None:
    """F05: counted from the request, to the second."""
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    desk.clock.advance(24 * 3600 - 1)
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_m13_a_clock_that_jumps_a_day_ahead_and_back_loses_nothing(desk: Desk, ask: Ask) -> None:
    """M13: what expired is deleted a day later only, so a wrong clock that is put right gives it back."""
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    desk.clock.advance(25 * 3600)
    assert await desk.runner.sweep() == 0
    desk.clock.advance(-25 * 3600)
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_the_sweep_deletes_what_is_long_over(desk: Desk, ask: Ask) -> None:
    """Two days after its request a job leaves no row, whether or not it was ever run or fetched."""
    await desk.accept(ask())
    desk.clock.advance(49 * 3600)
    assert (await desk.runner.sweep(), desk.count()) == (1, 0)


async def test_an_expired_job_is_not_run(desk: Desk, ask: Ask) -> None:
    """Nobody could fetch it, so nobody pays for it."""
    await desk.accept(ask())
    desk.clock.advance(24 * 3600)
    assert not await desk.runner.run_next()
    assert desk.bench.engine.prompts == []


async def test_f06_what_was_put_back_is_handed_over_again(desk: Desk, ask: Ask) -> None:
    """F06: a hand-over that did not come to its end leaves the outcome for the next request."""
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    taken = await desk.take(request_id)
    assert isinstance(taken, Delivery)
    await taken.put_back()
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_f06_a_taker_that_leaves_before_it_has_the_outcome_leaves_it(
    desk: Desk, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F06: the database had marked it as taken already."""
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    is_marked, may_return = asyncio.Event(), asyncio.Event()
    write = desk.bench.database.write

    async def write_slowly(statement: Callable[[Any], Any]) -> Any:
        result = await write(statement)
        is_marked.set()
        await may_return.wait()
        return result

    monkeypatch.setattr(desk.bench.database, "write", write_slowly)
    taking = asyncio.create_task(desk.take(request_id))
    await is_marked.wait()
    taking.cancel()
    may_return.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_f06_a_hand_over_that_died_leaves_the_outcome(desk: Desk, ask: Ask) -> None:
    """F06: neither confirmed nor put back, it can be taken again when its time is over."""
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    await desk.take(request_id)
    desk.clock.advance(desk.options.delivery_seconds)
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_f07_a_failure_is_kept_and_consumed_like_a_completion(desk: Desk, ask: Ask) -> None:
    """F07: the engine's refusal is the outcome, once, without a second attempt."""
    desk.bench.engine.pieces = [InvalidArgument("No such thing.")]
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    failure = await desk.outcome(request_id)
    assert type(failure) is InvalidArgument and failure.sentence == "No such thing."
    with pytest.raises(NotFound):
        await desk.take(request_id)


async def test_m04_an_engine_that_is_down_is_tried_again_later(desk: Desk, ask: Ask) -> None:
    """M04: the job goes back to pending and waits its pause; the client sees nothing of it."""
    desk.bench.engine.pieces = [Unavailable()]
    request_id = await desk.accept(ask())
    assert await desk.runner.run_next()
    desk.bench.engine.pieces = [WORD, DONE]
    assert not await desk.runner.run_next()
    assert await desk.take(request_id) == Pending()
    desk.clock.advance(desk.options.backoff_seconds)
    assert await desk.runner.run_next()
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_i31_attempts_are_bounded(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """I31: a request that brings the engine down each time fails with its last error, after growing pauses."""
    desk = open_desk(attempts=4, backoff_seconds=1, max_backoff_seconds=10)
    desk.bench.engine.pieces = [Unavailable("Down.")]
    request_id = await desk.accept(ask())
    waited = []
    while desk.column(request_id, "state") == "pending":
        waited.append((desk.column(request_id, "run_at_ms") / 1000) - desk.clock().timestamp())
        desk.clock.advance(waited[-1])
        await desk.runner.run_next()
    assert waited == [0, 1, 4, 10]
    failure = await desk.outcome(request_id)
    assert type(failure) is Unavailable and failure.sentence == "Down."
    assert len(desk.bench.engine.prompts) == 4


async def test_an_attempt_that_takes_too_long_is_cut_and_tried_again(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """An engine that hangs holds a job for its longest time only."""
    desk = open_desk(attempt_seconds=0.05)
    desk.bench.engine.pieces = [asyncio.Event().wait]
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    assert desk.bench.engine.closed == 1
    assert (desk.column(request_id, "state"), desk.column(request_id, "attempts")) == ("pending", 1)


@pytest.mark.parametrize("change", ["delete", "block"])
async def test_a_key_that_is_gone_or_blocked_fails_its_jobs(desk: Desk, ask: Ask, change: str) -> None:
    """The job's key is judged again when it runs: nothing is generated for one that may do nothing any more."""
    request_id = await desk.accept(ask())
    getattr(desk.keyring, change)("test")
    await desk.runner.run_next()
    failure = await desk.outcome(request_id)
    assert isinstance(failure, PermissionDenied)
    assert desk.bench.engine.prompts == []


async def test_only_the_attempt_that_came_whole_is_billed(desk: Desk, ask: Ask) -> None:
    """An attempt that broke off in the middle costs the client nothing; its repetition is settled once."""
    desk.bench.engine.pieces = [WORD, WORD, Unavailable()]
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    assert desk.bench.rows() == []
    desk.bench.engine.pieces = [WORD, DONE]
    desk.clock.advance(60)
    await desk.runner.run_next()
    assert [(row.id, row.status, row.completion_tokens) for row in desk.bench.rows()] == [(request_id, "finished", 1)]


async def test_m17_a_job_that_died_after_it_was_settled_is_billed_once(desk: Desk, ask: Ask) -> None:
    """M17: a process that was killed between ledger and outcome leaves a job that is run again, not billed again."""
    request_id = await desk.accept(ask())
    opened = await desk.bench.completions.open(ask(), desk.bench.grant, job_id=request_id)
    await opened.fold()
    await desk.runner.run_next()
    assert isinstance(await desk.outcome(request_id), Completion)
    assert len(desk.bench.rows()) == 1


async def test_m16_a_runner_that_is_stopped_puts_its_job_back(desk: Desk, ask: Ask) -> None:
    """M16: the job is pending at once, the attempt does not count, the engine is free, and another runner ends it."""
    begun = asyncio.Event()

    async def think() -> None:
        begun.set()
        await asyncio.Event().wait()

    desk.bench.engine.pieces = [WORD, think]
    request_id = await desk.accept(ask())
    async with desk.running():
        await begun.wait()
    assert (desk.column(request_id, "state"), desk.column(request_id, "attempts")) == ("pending", 0)
    assert desk.bench.engine.closed == 1 and desk.bench.rows() == []
    desk.bench.engine.pieces = [WORD, DONE]
    await desk.make_runner(desk.bench.database).run_next()
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_m16_a_job_that_was_claimed_while_the_runner_was_stopped_is_put_back(desk: Desk, ask: Ask) -> None:
    """M16: a claim that is on its way to the database when the stop comes is undone."""
    request_id = await desk.accept(ask())
    is_free = threading.Event()
    blocker = asyncio.create_task(desk.bench.database.write(lambda _: is_free.wait(5)))
    await asyncio.sleep(0)
    running = asyncio.create_task(desk.runner.run_next())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.sleep(0)
    is_free.set()
    await asyncio.wait((running, blocker))
    assert running.cancelled()
    assert (desk.column(request_id, "state"), desk.column(request_id, "attempts")) == ("pending", 0)


async def test_m10_a_runner_outlives_a_database_that_fails(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """M10: while the table cannot be used, the runner goes on asking, and it is no fault; then it does its work."""
    desk = open_desk(poll_seconds=0.01)
    request_id = await desk.accept(ask())
    desk.bench.database.run(lambda c: c.exec_driver_sql("ALTER TABLE jobs RENAME TO gone"))
    with capture_logs() as events:
        async with desk.running():

            async def has_failed() -> bool:
                return any(event["event"] == "database cannot be used" for event in events)

            await until(has_failed)
            desk.bench.database.run(lambda c: c.exec_driver_sql("ALTER TABLE gone RENAME TO jobs"))

            async def has_ended() -> bool:
                return bool(desk.column(request_id, "state") == "finished")

            await until(has_ended)
    assert not [event for event in events if "exc_info" in event]


async def test_m16_a_draining_server_begins_no_job(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """M16: while the server is told to stop, what is accepted waits for the next start."""
    asked, draining = asyncio.Event(), [True]

    def paused() -> bool:
        asked.set()
        return draining[0]

    desk = open_desk(paused=paused, poll_seconds=0.01)
    request_id = await desk.accept(ask())
    async with desk.running():
        await asked.wait()
        assert desk.column(request_id, "state") == "pending"
        draining[0] = False

        async def has_ended() -> bool:
            return bool(desk.column(request_id, "state") == "finished")

        await until(has_ended)


async def test_an_accepted_job_is_begun_at_once(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """The runner of the same process does not wait for its next poll."""
    desk = open_desk(poll_seconds=3600)
    async with desk.running():
        request_id = await desk.accept(ask())

        async def has_ended() -> bool:
            return bool(desk.column(request_id, "state") == "finished")

        await until(has_ended)


async def test_m15_who_loses_the_lease_stops(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """M15: a runner whose job was claimed by another lets go of the engine and changes nothing."""
    desk = open_desk(lease_seconds=0.15)
    begun = asyncio.Event()

    async def think() -> None:
        begun.set()
        await asyncio.Event().wait()

    desk.bench.engine.pieces = [think]
    request_id = await desk.accept(ask())
    running = asyncio.create_task(desk.runner.run_next())
    await begun.wait()
    desk.clock.advance(1)
    thief = Lease("thief", desk.clock() + timedelta(hours=1))
    assert await desk.bench.database.write(lambda c: sql.claim_job(c, thief, now=desk.clock()))
    await running
    assert desk.bench.engine.closed == 1
    assert desk.column(request_id, "lease_id") == "thief"


async def test_m15_a_lease_is_renewed_while_the_job_runs(open_desk: Callable[..., Desk], ask: Ask) -> None:
    """M15: a job may run for much longer than a lease."""
    desk = open_desk(lease_seconds=0.3)
    begun, end = asyncio.Event(), asyncio.Event()

    async def think() -> None:
        begun.set()
        await end.wait()

    desk.bench.engine.pieces = [think, WORD, DONE]
    request_id = await desk.accept(ask())
    running = asyncio.create_task(desk.runner.run_next())
    await begun.wait()
    desk.clock.advance(0.25)

    async def is_renewed() -> bool:
        return bool(desk.column(request_id, "lease_until_ms") / 1000 >= desk.clock().timestamp() + 0.3)

    await until(is_renewed)
    end.set()
    await running
    assert isinstance(await desk.outcome(request_id), Completion)


async def test_m14_a_job_whose_runner_dies_each_time_fails_in_the_end(desk: Desk, ask: Ask) -> None:
    """M14: a request that kills the process is not run for ever; the engine is not asked once more."""
    request_id = await desk.accept(ask())
    for _ in range(desk.options.attempts):
        dead = Lease("dead", desk.clock())
        await desk.bench.database.write(lambda c, dead=dead: sql.claim_job(c, dead, now=desk.clock()))
    await desk.runner.run_next()
    failure = await desk.outcome(request_id)
    assert isinstance(failure, Unavailable) and "begun 8 times, and the server stopped each time" in failure.sentence
    assert desk.bench.engine.prompts == []


async def test_a_request_of_an_unknown_form_fails_in_words(desk: Desk, ask: Ask) -> None:
    """A row that another release wrote in a form of its own ends as a failure that says so."""
    request_id = await desk.accept(ask())
    desk.bench.database.run(lambda c: c.execute(update(job_parts).values(data=b"\x81\xa7version\x63")))
    await desk.runner.run_next()
    failure = await desk.outcome(request_id)
    assert isinstance(failure, InternalFailure) and "another version of the server" in failure.sentence


@pytest.mark.parametrize("piece", [ValueError("secret inside"), TextPiece("secret \ud800")])
async def test_m28_a_fault_of_our_own_fails_the_job_without_telling_the_inside(
    desk: Desk, ask: Ask, piece: Any
) -> None:
    """M28: the client learns the request id to name, nothing else; it is not tried again."""
    desk.bench.engine.pieces = [piece, DONE]
    request_id = await desk.accept(ask())
    await desk.runner.run_next()
    failure = await desk.outcome(request_id)
    assert isinstance(failure, InternalFailure)
    assert desk.bench.grant.request_id in failure.sentence and "secret" not in failure.sentence


async def test_m15_two_runners_share_the_jobs_out(open_desk: Callable[..., Desk], ask: Ask, tmp_path: Path) -> None:
    """M15: forty jobs, two runners with databases of their own: each job is generated, settled and kept once."""
    desk = open_desk(poll_seconds=0.01)
    ids = {await desk.accept(ask()) for _ in range(40)}
    other = open_database(DatabaseOptions(), data_dir=tmp_path)
    runners = [desk.make_runner(database) for database in (desk.bench.database, other)]

    async def run_all(runner: JobRunner) -> None:
        while await runner.run_next():
            pass

    await asyncio.gather(*map(run_all, runners))
    other.close()
    assert {row.id for row in desk.bench.rows()} == ids
    assert len(desk.bench.engine.prompts) == 40
    assert {type(await desk.outcome(request_id)) for request_id in ids} == {Completion}


async def test_m10_a_database_that_fails_is_unavailable_to_the_client(desk: Desk, ask: Ask, tmp_path: Path) -> None:
    """M10: a request that cannot be stored is not accepted."""
    desk.bench.database.run(lambda c: c.exec_driver_sql("DROP TABLE job_parts"))
    with pytest.raises(Unavailable, match="the database cannot be used right now"):
        await desk.accept(ask())
    assert desk.count() == 0
