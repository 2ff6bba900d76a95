"""Say what a whole picture looks like, as finely as the classifier is sure. Called by perceive.

Four views (whole, middle, and both mirrored) are averaged; the 1000 probabilities are summed up the class tree, so that
a picture that could be any of a hundred breeds is still surely a dog.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from vitrail.engines.facts.class_tree import GROUPS
from vitrail.engines.facts.pixels import Floats, Rgb, resize
from vitrail.engines.facts.sessions import MODELS, open_session
from vitrail.engines.facts.sheet import Label

INPUT_PX = 260
MIDDLE_SHARE = 0.8
SURE_OF_CLASS = 0.65
SURE_OF_GROUP = 0.6
SURE_OF_PARENT = 0.8
VAGUE_PARENTS = frozenset({"object", "building", "clothing"})  # too wide, or seen where there is none


class PictureClassifier:
    """EfficientNet-lite2, loaded once."""

    def __init__(self, *, threads: int) -> None:
        self._session = open_session(MODELS / "efficientnet-lite2.onnx", threads=threads)
        self.names = tuple((MODELS / "imagenet_names.txt").read_text(encoding="utf-8").splitlines())

    def classify(self, picture: Rgb) -> Floats:
        """Return the 1000 class probabilities, averaged over four views."""
        total = np.zeros(len(self.names), np.float32)
        views = _views(picture)
        for view in views:
            image = ((view.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
            logits = self._session.run(None, {"image": image})[0][0]
            weights = np.exp(logits - logits.max())
            total += weights / weights.sum()
        return np.asarray(total / len(views), np.float32)


def sum_groups(probabilities: Floats) -> dict[str, float]:
    """Return the probability of every group and every wider kind, by name."""
    sums: dict[str, float] = defaultdict(float)
    for group in GROUPS:
        share = float(probabilities[list(group.classes)].sum())
        sums[group.name] += share
        sums[group.parent] += share
    return dict(sums)


def choose_label(probabilities: Floats, names: tuple[str, ...]) -> Label | None:
    """Return the finest name that is sure: a class, else its group, else a wider kind, else nothing."""
    sums = sum_groups(probabilities)
    best = int(probabilities.argmax())
    group = max(GROUPS, key=lambda one: sums[one.name])
    kinds = () if group.parent in VAGUE_PARENTS else (group.parent,)
    if sums[group.name] >= SURE_OF_GROUP and not group.name.startswith("other "):
        if best in group.classes and probabilities[best] >= SURE_OF_CLASS:
            return Label(names[best], (group.name, *kinds), float(probabilities[best]))
        return Label(group.name, kinds, sums[group.name])
    if best not in set().union(*(one.classes for one in GROUPS)) and probabilities[best] >= SURE_OF_PARENT:
        return Label(names[best], (), float(probabilities[best]))
    parent = max({one.parent for one in GROUPS} - VAGUE_PARENTS, key=lambda name: sums[name])
    return Label(parent, (), sums[parent]) if sums[parent] >= SURE_OF_PARENT else None


def _views(picture: Rgb) -> list[Rgb]:
    rows, columns = picture.shape[:2]
    side = max(1, int(min(rows, columns) * MIDDLE_SHARE))
    top, left = (rows - side) // 2, (columns - side) // 2
    middle = picture[top : top + side, left : left + side]
    straight = [resize(view, (INPUT_PX, INPUT_PX)) for view in (picture, middle)]
    return straight + [np.ascontiguousarray(view[:, ::-1]) for view in straight]
