"""Memory files: what is written is read by path, emptied, used again, and never more of them than allowed."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from vitrail.domain.pictures import Picture
from vitrail.engines.llama.memory_files import MemoryFiles

PICTURE = Picture(2, 1, b"\xff\x00\x00\x00\x00\xff")


@pytest.fixture
def files():
    """Two memory files at most."""
    files = MemoryFiles(2)
    yield files
    files.close()


def path_of(files, url):
    """Where the child finds it: in the folder of the probe, by the name in the URL."""
    return Path(files.make_probe()).with_name(url.removeprefix("file://"))


def test_a_picture_is_read_by_its_url(files):
    """The file is an image with the picture's pixels."""
    with files.lending() as lend:
        image = Image.open(io.BytesIO(path_of(files, lend(PICTURE)).read_bytes()))
    assert (image.format, image.size, image.tobytes()) == ("PPM", (2, 1), PICTURE.rgb)


def test_files_are_used_again(files):
    """A smaller picture after a larger one, in the same file, leaves nothing of the first."""
    with files.lending() as lend:
        first = lend(Picture(9, 9, bytes(243)))
    with files.lending() as lend:
        assert lend(PICTURE) == first
        assert path_of(files, first).read_bytes() == b"P6\n2 1\n255\n" + PICTURE.rgb


def test_there_are_no_more_files_than_allowed(files):
    """What finds no file goes in the request; a file that was given back is there again."""
    with files.lending() as lend:
        one, other = lend(PICTURE), lend(PICTURE)
        assert one != other and lend(PICTURE) is None
        with files.lending() as lend_more:
            assert lend_more(PICTURE) is None
    with files.lending() as lend:
        assert {lend(PICTURE), lend(PICTURE)} == {one, other}


def test_a_thread_that_was_left_behind_gets_no_file(files):
    """After the block nothing is written, so that nobody else's file is."""
    with files.lending() as lend:
        url = lend(PICTURE)
    assert lend(PICTURE) is None
    assert path_of(files, url).read_bytes() == b""


def test_files_closed_while_lent_are_left_alone(files):
    """The end of a block after `close` empties nothing that has the same descriptor by then."""
    with files.lending() as lend:
        descriptor = int(lend(PICTURE).removeprefix("file://"))
        files.close()
        pipe = os.pipe()  # which cannot be emptied
        assert descriptor in pipe
    for end in pipe:
        os.close(end)


def test_no_files_means_no_probe():
    """Where none is allowed the child is told of none."""
    assert MemoryFiles(0).make_probe() is None
