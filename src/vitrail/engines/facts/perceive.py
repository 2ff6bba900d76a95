"""Look at one picture with every sense, in order, and keep what is sure. Runs in a worker process; called by worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vitrail.engines.facts.agreement import judge_faces, judge_objects
from vitrail.engines.facts.captions import find_captions
from vitrail.engines.facts.charts import read_bars
from vitrail.engines.facts.codes import read_codes
from vitrail.engines.facts.colours import is_greyscale, measure_colours
from vitrail.engines.facts.faces import FaceDetector
from vitrail.engines.facts.labels import PictureClassifier, choose_label, sum_groups
from vitrail.engines.facts.objects import ObjectDetector
from vitrail.engines.facts.pixels import Rgb
from vitrail.engines.facts.rows import arrange_rows
from vitrail.engines.facts.shapes import SURE, count_shapes
from vitrail.engines.facts.sheet import FactSheet, Label, Medium, Shape, TextLine
from vitrail.engines.facts.tables import find_tables
from vitrail.engines.facts.text import TextReader

FLAT_SHARE = 0.7
FLAT_STEP = 1
FEWEST_PHOTOGRAPHED = 3  # shapes; fewer may be anything round or square


@dataclass(frozen=True, slots=True)
class Senses:
    """Every model, loaded once for a worker process."""

    text: TextReader
    objects: ObjectDetector
    classifier: PictureClassifier
    faces: FaceDetector


def open_senses(*, threads: int) -> Senses:
    """Load the models; `threads` is for each of them, they work one after the other."""
    cv2.setNumThreads(threads)
    return Senses(
        TextReader(threads=threads),
        ObjectDetector(threads=threads),
        PictureClassifier(threads=threads),
        FaceDetector(threads=threads),
    )


def perceive(picture: Rgb, senses: Senses) -> FactSheet:
    """Return the facts of an upright (rows, columns, 3) RGB picture."""
    lines = senses.text.read(picture)
    rows = arrange_rows(lines)
    captions = find_captions(rows)
    medium = tell_medium(picture)
    probabilities = senses.classifier.classify(picture)
    seen = judge_objects(
        senses.objects.find(picture),
        senses.objects.find(np.ascontiguousarray(picture[:, ::-1])),
        sum_groups(probabilities),
        picture,
        medium,
    )
    label = _label(lines, medium, choose_label(probabilities, senses.classifier.names))
    is_understood = medium is Medium.PHOTO and bool(seen.objects or label)  # else absence proves nothing
    shapes = () if lines else _sure_shapes(picture, medium, is_nothing_else=not (seen.objects or label))
    return FactSheet(
        width_px=picture.shape[1],
        height_px=picture.shape[0],
        medium=medium,
        greyscale=is_greyscale(picture),
        rows=rows,
        tables=() if captions else find_tables(rows),
        bars=read_bars(picture, rows),
        objects=() if shapes else seen.objects,
        unseen=seen.unseen if is_understood else frozenset(),
        unsure=seen.unsure,
        label=label,
        faces=judge_faces(senses.faces.find(picture), seen.objects),
        codes=read_codes(picture),
        colours=measure_colours(picture),
        shapes=shapes,
        captions=captions,
    )


def _sure_shapes(picture: Rgb, medium: Medium, *, is_nothing_else: bool) -> tuple[Shape, ...]:
    """Return the shapes of a drawing; of a photo only when it shows nothing else, as a photographed drawing does."""
    is_photo = medium is Medium.PHOTO
    if is_photo and not is_nothing_else:
        return ()
    shapes = tuple(shape for shape in count_shapes(picture, is_faded=is_photo) if shape.confidence >= SURE)
    return shapes if not is_photo or sum(shape.count for shape in shapes) >= FEWEST_PHOTOGRAPHED else ()


def tell_medium(picture: Rgb) -> Medium:
    """Tell drawn pictures from photos: in a drawn one most pixels equal their right and lower neighbours."""
    pixels = picture.astype(np.int16)
    right = np.abs(pixels[:-1, 1:] - pixels[:-1, :-1]).max(axis=2) <= FLAT_STEP
    below = np.abs(pixels[1:, :-1] - pixels[:-1, :-1]).max(axis=2) <= FLAT_STEP
    flat = right & below
    return Medium.GRAPHIC if flat.size and float(flat.mean()) >= FLAT_SHARE else Medium.PHOTO


def _label(lines: Sequence[TextLine], medium: Medium, label: Label | None) -> Label | None:
    """Keep what the classifier says for photos with little text only: it was trained on nothing else."""
    return label if medium is Medium.PHOTO and len(lines) < 3 else None
