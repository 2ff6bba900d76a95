"""Find things of the 80 COCO classes with NanoDet. Called by perceive; says what the detector says, sure or not."""

from __future__ import annotations

import numpy as np

from vitrail.engines.facts.pixels import Floats, Letterbox, Rgb, fit_letterbox, overlap
from vitrail.engines.facts.sessions import MODELS, open_session
from vitrail.engines.facts.sheet import Box, DetectedObject

INPUT_PX = 416
STRIDES_PX = (8, 16, 32)
BINS = 11  # each side of a box is a distribution over 0 .. 10 strides
GREY = 114
BGR_MEAN = np.array([103.53, 116.28, 123.675], np.float32)
BGR_SPREAD = np.array([57.375, 57.12, 58.395], np.float32)
LOWEST_SCORE = 0.1
SAME_CLASS_OVERLAP = 0.6
OTHER_CLASS_OVERLAP = 0.75


class ObjectDetector:
    """NanoDet, loaded once."""

    def __init__(self, *, threads: int) -> None:
        self._session = open_session(MODELS / "nanodet.onnx", threads=threads)
        self._names = tuple((MODELS / "coco_names.txt").read_text(encoding="utf-8").splitlines())

    def find(self, picture: Rgb) -> tuple[DetectedObject, ...]:
        """Return every detection from a score of 0.1 on, surest first, each thing once."""
        box = fit_letterbox(picture, INPUT_PX, grey=GREY)
        image = (box.pixels[:, :, ::-1].astype(np.float32) - BGR_MEAN) / BGR_SPREAD
        outputs: list[Floats] = self._session.run(None, {"image": image.transpose(2, 0, 1)[None]})
        found: list[DetectedObject] = []
        for stride_px, scores, sides in zip(STRIDES_PX, outputs[:3], outputs[3:], strict=True):
            found += [
                DetectedObject(self._names[kind], score, place)
                for kind, score, place in _decode(picture, box, stride_px, scores[0], sides[0])
            ]
        return _keep_one_of_each(found)


def _decode(
    picture: Rgb, box: Letterbox, stride_px: int, scores: Floats, sides: Floats
) -> list[tuple[int, float, Box]]:
    """Turn one level's (cells, 80) scores and (cells, 44) side distributions into boxes of the picture."""
    cells_across = INPUT_PX // stride_px
    found = []
    for cell in np.flatnonzero(scores.max(axis=1) >= LOWEST_SCORE):
        weights = np.exp(sides[cell].reshape(4, BINS) - sides[cell].max())
        reach = (weights * np.arange(BINS)).sum(axis=1) / weights.sum(axis=1) * stride_px
        x_px = (int(cell) % cells_across + 0.5) * stride_px
        y_px = (int(cell) // cells_across + 0.5) * stride_px
        place = box.restore(x_px - reach[0], y_px - reach[1], x_px + reach[2], y_px + reach[3], picture)
        kind = int(scores[cell].argmax())
        found.append((kind, float(scores[cell, kind]), place))
    return found


def _keep_one_of_each(found: list[DetectedObject]) -> tuple[DetectedObject, ...]:
    kept: list[DetectedObject] = []
    for candidate in sorted(found, key=lambda one: -one.confidence):
        limits = (
            (other, SAME_CLASS_OVERLAP if other.name == candidate.name else OTHER_CLASS_OVERLAP) for other in kept
        )
        if all(overlap(candidate.box, other.box) < limit for other, limit in limits):
            kept.append(candidate)
    return tuple(kept)
