"""Find faces with BlazeFace. Called by perceive; says nothing about whose face it is."""

from __future__ import annotations

import numpy as np

from vitrail.engines.facts.pixels import Floats, Rgb, fit_letterbox, overlap
from vitrail.engines.facts.sessions import MODELS, open_session
from vitrail.engines.facts.sheet import Face

INPUT_PX = 256
ANCHOR_GRIDS = ((16, 2), (8, 6))  # (cells along an edge, anchors in a cell)
LOWEST_SCORE = 0.6
SAME_FACE_OVERLAP = 0.3


class FaceDetector:
    """BlazeFace, loaded once."""

    def __init__(self, *, threads: int) -> None:
        self._session = open_session(MODELS / "blazeface.onnx", threads=threads)
        self._centres_px = np.concatenate([_anchor_centres(*grid) for grid in ANCHOR_GRIDS])

    def find(self, picture: Rgb) -> tuple[Face, ...]:
        """Return faces from a score of 0.6 on, surest first; below 0.85 they need a person around them."""
        box = fit_letterbox(picture, INPUT_PX, grey=0)
        outputs: list[Floats] = self._session.run(None, {"image": box.pixels.astype(np.float32)[None] / 127.5 - 1})
        logits = np.concatenate([outputs[0][0, :, 0], outputs[1][0, :, 0]])
        places = np.concatenate([outputs[2][0], outputs[3][0]])
        scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
        kept: list[Face] = []
        for index in np.argsort(-scores):
            if scores[index] < LOWEST_SCORE:
                break
            x_px, y_px = self._centres_px[index] + places[index, :2]
            half_width_px, half_height_px = places[index, 2:4] / 2
            place = box.restore(
                x_px - half_width_px, y_px - half_height_px, x_px + half_width_px, y_px + half_height_px, picture
            )
            if all(overlap(place, other.box) < SAME_FACE_OVERLAP for other in kept):
                kept.append(Face(float(scores[index]), place))
        return tuple(kept)


def _anchor_centres(cells: int, anchors: int) -> Floats:
    """Return the (cells * cells * anchors, 2) anchor centres in pixels of the input, row by row."""
    along = (np.arange(cells, dtype=np.float32) + 0.5) * (INPUT_PX / cells)
    down, across = np.meshgrid(along, along, indexing="ij")
    return np.repeat(np.stack([across.ravel(), down.ravel()], axis=1), anchors, axis=0)
