"""Perception in a process of its own."""

from __future__ import annotations

import multiprocessing

import pytest

from vitrail.domain.errors import Unavailable
from vitrail.domain.pictures import Picture, PreparedImage, TilePlan
from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.facts.sheet import FactSheet
from vitrail.engines.facts.worker import Perception


def picture(side_px: int, name: str) -> PreparedImage:
    return PreparedImage(
        Picture(side_px, side_px, bytes([200]) * (3 * side_px * side_px)), TilePlan(0, 0, side_px, side_px, 256), name
    )


async def look_again(perception: Perception, image: PreparedImage) -> FactSheet:
    """Look at a picture; once more if the process that was to look had just died."""
    try:
        return await perception.look(image)
    except Unavailable:
        return await perception.look(image)


async def test_a_worker_looks_keeps_sheets_and_survives_a_deadline(monkeypatch):
    """A picture is looked at once; one that takes too long costs its request, and the next is looked at again.

    When its idle process is killed from outside, one request at most is lost: a new process takes the next.
    """
    options = FactsOptions(cached_sheets=2)
    perception = Perception(options)
    await perception.start()
    try:
        assert perception.is_ready
        sheet = await perception.look(picture(40, "a"))
        assert (sheet.width_px, sheet.colours[0].name) == (40, "light gray")
        assert await perception.look(picture(40, "a")) is sheet
        monkeypatch.setattr(perception, "_options", options.model_copy(update={"picture_seconds": 0.01}))
        with pytest.raises(Unavailable, match="longer than"):
            await perception.look(picture(900, "slow"))
        monkeypatch.setattr(perception, "_options", options)
        assert (await perception.look(picture(50, "b"))).width_px == 50
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()
        assert (await look_again(perception, picture(70, "d"))).width_px == 70
    finally:
        await perception.close()
    assert not perception.is_ready
    with pytest.raises(Unavailable):
        await perception.look(picture(60, "c"))
