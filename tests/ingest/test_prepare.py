"""All images of a request: order, budgets, early refusals, sharing and caching (U29-U31, I07, J14, J15, M22, T01)."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from vitrail.domain.errors import Failure, ImageFetchFailed, InvalidArgument, Unavailable
from vitrail.domain.pictures import Detail, ImageFormat, ImageReference
from vitrail.ingest.decode_task import Decoded, DecodeTask
from vitrail.ingest.fetch import Fetcher, FetchOptions
from vitrail.ingest.prepare import Ingest, IngestOptions
from vitrail.ingest.workers import DecodeOptions, DecodeWorkers

MIB = 1024 * 1024
Make = Callable[..., bytes]
Build = Callable[..., Ingest]
Refer = Callable[..., ImageReference]


class CountingWorkers(DecodeWorkers):
    """Real decode processes that note what they were given."""

    def __init__(self) -> None:
        super().__init__(DecodeOptions(workers=1))
        self.tasks: list[DecodeTask] = []

    async def decode(self, task: DecodeTask, *, digest: str) -> Decoded:
        """Note the task and decode it."""
        self.tasks.append(task)
        return await super().decode(task, digest=digest)


@pytest.fixture(scope="module")
def decode_processes() -> Iterator[CountingWorkers]:
    """Yield decode processes for all tests of this file; they start with the first picture."""
    workers = CountingWorkers()
    yield workers
    asyncio.run(workers.close())


@pytest.fixture
def workers(decode_processes: CountingWorkers) -> CountingWorkers:
    """Return the decode processes, with nothing noted yet."""
    decode_processes.tasks.clear()
    return decode_processes


@pytest.fixture
async def build(workers: CountingWorkers, image_host: Any) -> AsyncIterator[Build]:
    """Yield `build(**options) -> Ingest` whose fetcher may contact the local image host."""
    fetchers: list[Fetcher] = []

    def make(fetch: dict[str, Any] | None = None, **options: Any) -> Ingest:
        fetcher = Fetcher(FetchOptions(**{"allow_hosts": (image_host.name,), **(fetch or {})}))
        fetchers.append(fetcher)
        return Ingest(IngestOptions(**options), fetcher=fetcher, workers=workers)

    yield make
    for fetcher in fetchers:
        await fetcher.close()


def at(index: int) -> str:
    """Return the place of the n-th image in a request."""
    return f"messages[0].content[{index}].image_url.url"


async def test_measuring_reads_size_and_plan(
    build: Build, refer: Refer, data_uri: Make, encode: Make, image_host: Any
) -> None:
    """Data URIs and URLs come back measured, in the order sent, whichever is faster."""
    slow = encode(Image.new("RGB", (640, 480)), "JPEG")

    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return web.Response(body=slow)

    image_host.answers["/slow"] = answer
    references = [
        refer(image_host.url("/slow"), Detail.HIGH, at(0)),
        refer(data_uri(encode(Image.new("RGB", (449, 448)))), Detail.AUTO, at(1)),
        refer(image_host.serve("/low", encode(Image.new("L", (20, 10)))), Detail.LOW, at(2)),
    ]
    images = await build().measure(references)

    assert [(image.format, image.width_px, image.height_px) for image in images] == [
        (ImageFormat.JPEG, 640, 480),
        (ImageFormat.PNG, 449, 448),
        (ImageFormat.PNG, 20, 10),
    ]
    assert [image.plan.image_tokens for image in images] == [1280, 768, 256]
    assert [image.where for image in images] == [at(0), at(1), at(2)]


async def test_I27_the_turned_size_decides_the_tiles(
    build: Build, refer: Refer, data_uri: Make, photo: Image.Image, encode: Make
) -> None:
    """A picture stored on its side is measured, planned and prepared upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(photo.resize((1920, 1080)), "JPEG", exif=exif.tobytes())
    ingest = build()
    (measured,) = await ingest.measure([refer(data_uri(data, "image/jpeg"))])
    (prepared,) = await ingest.prepare([measured], team_id="a", long_edge_px=None)

    assert (measured.width_px, measured.height_px, measured.orientation) == (1080, 1920, 6)
    assert (measured.plan.columns, measured.plan.rows) == (2, 3)
    assert (prepared.picture.width_px, prepared.picture.height_px) == (756, 1344)


@pytest.mark.parametrize(("long_edge", "size"), [(None, (1194, 672)), (320, (320, 180)), (5_000, (1200, 675))])
async def test_the_engine_chooses_the_size(
    long_edge: int | None,
    size: tuple[int, int],
    build: Build,
    refer: Refer,
    data_uri: Make,
    encode: Make,
) -> None:
    """None gives the plan's fitted size, a number bounds the long edge, and nothing is ever enlarged."""
    ingest = build()
    images = await ingest.measure([refer(data_uri(encode(Image.new("RGB", (1200, 675)))))])
    if long_edge is None:
        size = (images[0].plan.fitted_width_px, images[0].plan.fitted_height_px)
    (prepared,) = await ingest.prepare(images, team_id="a", long_edge_px=long_edge)

    assert (prepared.picture.width_px, prepared.picture.height_px) == size
    assert len(prepared.picture.rgb) == 3 * size[0] * size[1]


@pytest.mark.parametrize(
    ("body", "options"),
    [
        pytest.param(b"<!doctype html><html>secret</html>", {}, id="html"),
        pytest.param(b"", {}, id="empty"),
        pytest.param(b"GIF89a", {"content_type": "image/png"}, id="gif-called-png"),
        pytest.param(b"\xff\xd8\xff\xe0", {}, id="jpeg-cut-off"),
    ],
)
async def test_a_download_that_is_no_image_has_the_recorded_text(
    body: bytes, options: Any, build: Build, refer: Refer, image_host: Any
) -> None:
    """A URL that gives no JPEG or PNG fails with xAI's own words, and not a byte of the body."""
    with pytest.raises(ImageFetchFailed) as caught:
        await build().measure([refer(image_host.serve("/x", body, **options))])

    assert caught.value.message == "Downloaded response does not contain a valid JPG or PNG image."
    assert caught.value.where == at(1)
    assert "secret" not in str(caught.value)


async def test_D09_a_data_uri_that_is_no_image_names_what_it_is(build: Build, refer: Refer, data_uri: Make) -> None:
    """The bytes decide: HTML declared as JPEG is refused as HTML, at its place."""
    with pytest.raises(InvalidArgument, match="HTML") as caught:
        await build().measure([refer(data_uri(b"<html></html>", "image/jpeg"))])

    assert caught.value.where == at(1)


async def test_D08_a_wrong_type_is_put_right_by_the_bytes(
    build: Build, refer: Refer, data_uri: Make, encode: Make
) -> None:
    """A JPEG that is declared a PNG is a JPEG."""
    data = encode(Image.new("RGB", (8, 8)), "JPEG")

    assert (await build().measure([refer(data_uri(data, "image/png"))]))[0].format is ImageFormat.JPEG


@pytest.mark.parametrize("size", [(13_000, 13_000), (65_536, 65_536), (2**31 - 1, 1)])
async def test_I01_I02_too_many_pixels_are_refused_from_the_header(
    size: tuple[int, int],
    build: Build,
    refer: Refer,
    data_uri: Make,
    png: Make,
    workers: CountingWorkers,
) -> None:
    """An image over the pixel limit is refused by its header; no decode process hears of it."""
    with pytest.raises(InvalidArgument, match="the limit is 64,000,000") as caught:
        await build().measure([refer(data_uri(png(*size, rows=b"\0")))])

    assert f"{size[0]} x {size[1]}" in caught.value.message
    assert workers.tasks == []


async def test_I07_many_images_have_a_pixel_limit_together(
    build: Build, refer: Refer, data_uri: Make, png: Make
) -> None:
    """Images within the limit each are refused once they pass the request's together."""
    uri = data_uri(png(1_000, 1_000, depth=1))

    with pytest.raises(InvalidArgument, match="3,500,000 pixels together"):
        await build(max_request_pixels=3_500_000).measure([refer(uri, where=at(n)) for n in range(4)])


async def test_J14_too_many_images_are_refused_unread(build: Build, refer: Refer, image_host: Any) -> None:
    """A request over the count is refused before any of its images is looked at."""
    references = [refer(image_host.url("/x"), where=at(n)) for n in range(6)]

    with pytest.raises(InvalidArgument, match="6 images, the limit is 5") as caught:
        await build(max_images=5).measure(references)

    assert caught.value.where == at(5)
    assert image_host.requests == []


@pytest.mark.parametrize("second", ["over-the-bytes", "over-the-request", "bad-data-uri", "private-url", "file-url"])
async def test_U31_what_can_be_refused_early_is(
    second: str, build: Build, refer: Refer, data_uri: Make, image_host: Any
) -> None:
    """When the second of five images can be refused by its text, none of the others is downloaded."""
    urls: dict[str, Any] = {
        "over-the-bytes": data_uri(bytes(1_001)),
        "over-the-request": data_uri(bytes(900)),
        "bad-data-uri": "data:image/png,abc",
        "private-url": "http://10.0.0.1/x",
        "file-url": "file:///etc/passwd",
    }
    good = image_host.url("/x")
    references = [refer(urls[second] if n == 1 else good, where=at(n)) for n in range(5)]

    with pytest.raises(InvalidArgument) as caught:
        await build(max_image_bytes=1_000, max_request_bytes=800).measure(references)

    assert caught.value.where == at(1)
    assert image_host.requests == []


async def test_U30_downloads_share_the_requests_budget(
    build: Build, refer: Refer, image_host: Any, encode: Make
) -> None:
    """Bytes of downloads count together, and once over the limit no further download starts."""
    data = encode(Image.effect_noise((100, 100), 50))
    references = [refer(image_host.serve(f"/{n}", data), where=at(n)) for n in range(50)]

    with pytest.raises(InvalidArgument, match="together"):
        await build(max_request_bytes=5 * len(data), concurrency_per_request=2).measure(references)

    assert len(image_host.requests) <= 8


async def test_U29_one_dead_host_ends_the_request_once(build: Build, refer: Refer, image_host: Any) -> None:
    """A thousand images of a host that never answers cost one deadline and a few connections."""
    image_host.answers["/x"] = lambda _: asyncio.Event().wait()
    references = [refer(image_host.url("/x"), where=at(n)) for n in range(1_000)]
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with pytest.raises(ImageFetchFailed):
        await build({"timeout_seconds": 0.3}).measure(references)

    assert loop.time() - begin < 3
    assert len(image_host.requests) <= 8


async def test_one_failure_ends_the_others(build: Build, refer: Refer, image_host: Any) -> None:
    """A failed image cancels the downloads beside it, and the failure is raised as it is."""
    ended = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    image_host.answers["/hang"] = hang
    references = [refer(image_host.url("/hang"), where=at(0)), refer(image_host.url("/missing"), where=at(1))]
    with pytest.raises(Failure) as caught:
        await build().measure(references)

    assert isinstance(caught.value, ImageFetchFailed)
    assert caught.value.where == at(1)


async def test_J15_identical_images_are_decoded_once_and_counted_each_time(
    build: Build,
    refer: Refer,
    data_uri: Make,
    photo: Image.Image,
    encode: Make,
    workers: CountingWorkers,
) -> None:
    """The same image 20 times is one decode, twenty prepared images and twenty times the tokens."""
    uri = data_uri(encode(photo))
    ingest = build()
    measured = await ingest.measure([refer(uri, where=at(n)) for n in range(20)])
    prepared = await ingest.prepare(measured, team_id="a", long_edge_px=None)

    assert len(workers.tasks) == 1
    assert len(prepared) == 20
    assert sum(image.image_tokens for image in prepared) == 20 * 1280


async def test_a_picture_prepared_before_is_found_again(
    build: Build,
    refer: Refer,
    data_uri: Make,
    photo: Image.Image,
    encode: Make,
    workers: CountingWorkers,
) -> None:
    """The same image in the team's next request is not decoded again; another detail is."""
    uri = data_uri(encode(photo))
    ingest = build()
    for detail in (Detail.HIGH, Detail.AUTO, Detail.LOW):
        images = await ingest.measure([refer(uri, detail)])
        await ingest.prepare(images, team_id="a", long_edge_px=None)

    assert [(task.width_px, task.height_px) for task in workers.tasks] == [(640, 480), (448, 336)]


async def test_T01_teams_share_neither_pictures_nor_hashes(
    build: Build,
    refer: Refer,
    data_uri: Make,
    photo: Image.Image,
    encode: Make,
    workers: CountingWorkers,
) -> None:
    """Another team's same image is decoded anew and has another content hash."""
    ingest = build()
    images = await ingest.measure([refer(data_uri(encode(photo)))])
    (ours,) = await ingest.prepare(images, team_id="a", long_edge_px=None)
    (theirs,) = await ingest.prepare(images, team_id="b", long_edge_px=None)

    assert len(workers.tasks) == 2
    assert ours.picture == theirs.picture
    assert ours.content_hash != theirs.content_hash


async def test_I08_equal_pixels_of_another_shape_have_another_hash(
    build: Build, refer: Refer, data_uri: Make, png: Make
) -> None:
    """A picture and one with the same pixel bytes but swapped sides are told apart."""
    ingest = build()
    images = await ingest.measure([refer(data_uri(png(6, 2))), refer(data_uri(png(2, 6)))])
    wide, tall = await ingest.prepare(images, team_id="a", long_edge_px=None)

    assert wide.picture.rgb == tall.picture.rgb
    assert wide.content_hash != tall.content_hash


async def test_I09_the_hash_is_of_the_pixels(
    build: Build, refer: Refer, data_uri: Make, photo: Image.Image, encode: Make
) -> None:
    """The same pixels packed differently have the same content hash: it names what the engine sees."""
    ingest = build()
    files = [encode(photo, "PNG", compress_level=level) for level in (1, 9)]
    images = await ingest.measure([refer(data_uri(data)) for data in files])
    first, second = await ingest.prepare(images, team_id="a", long_edge_px=None)

    assert files[0] != files[1]
    assert first.content_hash == second.content_hash


async def test_I13_a_damaged_image_is_refused_at_its_place(
    build: Build, refer: Refer, data_uri: Make, photo: Image.Image, encode: Make
) -> None:
    """What only the decoder can find is refused with the place of the image."""
    data = encode(photo, "JPEG")
    ingest = build()
    good, bad = data_uri(data), data_uri(data[: len(data) // 2])
    images = await ingest.measure([refer(good, where=at(0)), refer(bad, where=at(1))])
    with pytest.raises(InvalidArgument, match="cut off") as caught:
        await ingest.prepare(images, team_id="a", long_edge_px=None)

    assert caught.value.where == at(1)


async def test_the_cache_is_bounded_in_bytes(
    build: Build, refer: Refer, data_uri: Make, png: Make, workers: CountingWorkers
) -> None:
    """Old pictures give way to new ones, and nothing is kept when the cache is off."""
    ingest = build(cache_bytes=2 * 3 * 100 * 100)
    for grey in (1, 2, 3, 1):
        rows = (b"\0" + bytes([grey]) * 100) * 100
        images = await ingest.measure([refer(data_uri(png(100, 100, rows=rows)))])
        await ingest.prepare(images, team_id="a", long_edge_px=None)

    assert len(workers.tasks) == 4


async def test_M22_bytes_beyond_the_process_budget_are_refused(
    build: Build, refer: Refer, data_uri: Make, encode: Make
) -> None:
    """While one request's images fill the budget, the next is told to come back, and then passes."""
    data = encode(Image.effect_noise((200, 200), 50))
    reference = refer(data_uri(data))
    ingest = build(held_bytes=len(data) + 3 * 200 * 200 + 1_000)
    held = await ingest.measure([reference])
    with pytest.raises(Unavailable) as caught:
        await ingest.measure([reference])
    del held

    assert caught.value.retry_after_seconds
    assert len(await ingest.measure([reference])) == 1


async def test_M22_a_refused_request_holds_nothing(
    build: Build, refer: Refer, data_uri: Make, encode: Make, image_host: Any
) -> None:
    """Whatever a request held is given back when it fails or is done, without waiting for the collector."""
    good = data_uri(encode(Image.effect_noise((200, 200), 50)))
    ingest = build()
    gc.disable()
    try:
        for bad in (data_uri(b"junk"), image_host.url("/missing")):
            with pytest.raises(Failure):
                await ingest.measure([refer(good), refer(good), refer(bad)])
        images = await ingest.measure([refer(good)])
        held = ingest.held_bytes
        del images
        assert (held > 120_000, ingest.held_bytes) == (True, 0)
    finally:
        gc.enable()


async def test_M02_a_cancelled_request_holds_nothing(
    build: Build, refer: Refer, data_uri: Make, encode: Make, image_host: Any
) -> None:
    """A client that leaves during the download frees what its other images held."""
    image_host.answers["/hang"] = lambda _: asyncio.Event().wait()
    good = data_uri(encode(Image.effect_noise((200, 200), 50)))
    ingest = build()
    leaving = asyncio.create_task(ingest.measure([refer(good), refer(image_host.url("/hang"))]))
    await image_host.asked.wait()
    assert ingest.held_bytes > 0
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)

    assert ingest.held_bytes == 0


async def test_no_image_is_no_work(build: Build, workers: CountingWorkers) -> None:
    """A request without images is measured and prepared to nothing."""
    ingest = build()

    assert await ingest.prepare(await ingest.measure([]), team_id="a", long_edge_px=None) == ()
    assert workers.tasks == []


async def test_D10_ten_mebibytes_pass(build: Build, refer: Refer, data_uri: Make, png: Make) -> None:
    """An image of exactly 10 MiB is measured; one byte more is refused."""
    data = png(8, 8)
    padded = data + bytes(10 * MIB - len(data))
    ingest = build()

    assert (await ingest.measure([refer(data_uri(padded))]))[0].width_px == 8
    with pytest.raises(InvalidArgument, match="10,485,760"):
        await ingest.measure([refer(data_uri(padded + b"\0"))])


async def test_closing_ends_the_parts(
    image_host: Any, refer: Refer, data_uri: Make, photo: Image.Image, encode: Make
) -> None:
    """After close the decode processes and the client session are gone, and closing again does no harm."""
    own = CountingWorkers()
    fetcher = Fetcher(FetchOptions(allow_hosts=(image_host.name,)))
    ingest = Ingest(IngestOptions(), fetcher=fetcher, workers=own)
    images = await ingest.measure([refer(image_host.serve("/x", encode(photo)))])
    await ingest.close()
    await ingest.close()

    with pytest.raises(Unavailable):
        await ingest.prepare(images, team_id="a", long_edge_px=None)
