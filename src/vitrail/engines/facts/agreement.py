"""Weigh detections against each other: two views and the classifier have to agree. Pure; called by perceive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vitrail.engines.facts.pixels import Rgb, overlap
from vitrail.engines.facts.sheet import Box, DetectedObject, Face, Medium
from vitrail.engines.facts.words import word_set

SURE = 0.62
SURE_IN_GRAPHIC = 0.66
SAME_THING = 0.5  # overlap of a thing in the picture and in its mirror image
BONUS = 0.3  # times the classifier's share for the same kind
DOUBT = 0.25  # taken off a large box when the classifier sees another kind of thing
LARGE_BOX = 0.25  # of the picture
POSSIBLE = 0.3  # a detection from here on makes the number of such things unsure
UNSEEN = 0.2  # no detection and no class-tree share from here on: surely not there
UNSEEN_SHARE = 0.05
SURE_FACE = 0.85

GROUP_OF = {  # COCO class -> group of the class tree; a class not named here has a group of its own name or none
    "potted plant": "plant",
    "dining table": "table",
    "tv": "television",
    "laptop": "computer",
    "keyboard": "computer",
    "mouse": "computer",
    "cell phone": "telephone",
    "wine glass": "glass",
    "handbag": "bag",
    "backpack": "bag",
    "apple": "fruit",
    "orange": "fruit",
    "banana": "fruit",
    "broccoli": "vegetable",
    "carrot": "vegetable",
    "sandwich": "sandwich or burger",
    "hot dog": "sandwich or burger",
    "sports ball": "ball",
    "donut": "dessert",
    "cake": "dessert",
}
LARGE = word_set(
    """
    person bicycle car motorcycle airplane bus train truck boat bird cat dog horse sheep cow elephant bear zebra
    giraffe couch bed toilet refrigerator
    """
)


@dataclass(frozen=True, slots=True)
class Seen:
    """The things that are sure, the large classes that are surely absent, and those of which neither is sure."""

    objects: tuple[DetectedObject, ...]
    unseen: frozenset[str]
    unsure: frozenset[str]


def judge_objects(
    straight: tuple[DetectedObject, ...],
    mirrored: tuple[DetectedObject, ...],
    groups: Mapping[str, float],
    picture: Rgb,
    medium: Medium,
) -> Seen:
    """Accept a detection when picture and mirror image agree on it and the classifier does not object."""
    width_px = picture.shape[1]
    turned = [replace(one, box=_mirror(one.box, width_px)) for one in mirrored]
    sure = SURE if medium is Medium.PHOTO else SURE_IN_GRAPHIC
    weighed = [(one, *_weigh(one, turned, groups, picture)) for one in straight]
    accepted = tuple(replace(one, confidence=score) for one, _, score in weighed if score >= sure)
    unsure = frozenset(one.name for one, plain, _ in weighed if plain >= POSSIBLE and not _is_one_of(one, accepted))
    best: dict[str, float] = {}
    for one in (*straight, *turned):
        if not _is_explained(one, accepted):
            best[one.name] = max(best.get(one.name, 0.0), one.confidence)
    unseen = frozenset(
        name
        for name in LARGE
        if best.get(name, 0.0) < UNSEEN and groups.get(GROUP_OF.get(name, name), 0.0) < UNSEEN_SHARE
    )
    return Seen(accepted, unseen - {one.name for one in accepted}, unsure)


def judge_faces(faces: tuple[Face, ...], objects: tuple[DetectedObject, ...]) -> tuple[Face, ...]:
    """Keep faces that are sure by themselves or stand inside a detected person."""
    people = [one.box for one in objects if one.name == "person"]
    return tuple(
        face for face in faces if face.confidence >= SURE_FACE or any(_is_inside(face.box, box) for box in people)
    )


def _weigh(
    one: DetectedObject, turned: list[DetectedObject], groups: Mapping[str, float], picture: Rgb
) -> tuple[float, float]:
    """Return the mean score of both views, and the same raised or lowered by what the classifier sees."""
    twin = max(
        (other.confidence for other in turned if other.name == one.name and overlap(one.box, other.box) > SAME_THING),
        default=0.0,
    )
    group = GROUP_OF.get(one.name, one.name)
    plain = (one.confidence + twin) / 2
    score = plain + BONUS * groups.get(group, 0.0)
    rival = max((share for name, share in groups.items() if name != group and group in groups), default=0.0)
    covers = one.box.area_px / max(1, picture.shape[0] * picture.shape[1])
    if covers > LARGE_BOX and groups.get(group, 0.0) < 0.1 and rival > 0.5:
        score -= DOUBT
    return plain, min(1.0, score)


def _is_one_of(one: DetectedObject, accepted: tuple[DetectedObject, ...]) -> bool:
    """Tell whether a detection is just another box of a thing that was accepted."""
    return any(
        other.name == one.name and (overlap(one.box, other.box) > 0.35 or _is_inside(one.box, other.box))
        for other in accepted
    )


def _is_explained(one: DetectedObject, accepted: tuple[DetectedObject, ...]) -> bool:
    """Tell whether a weaker box of another class lies on a thing that was accepted."""
    return any(
        other.name != one.name and one.confidence < other.confidence and overlap(one.box, other.box) > SAME_THING
        for other in accepted
    )


def _is_inside(inner: Box, outer: Box) -> bool:
    shared = Box(
        max(inner.left_px, outer.left_px),
        max(inner.top_px, outer.top_px),
        min(inner.right_px, outer.right_px),
        min(inner.bottom_px, outer.bottom_px),
    )
    return shared.width_px > 0 and shared.height_px > 0 and shared.area_px > 0.8 * max(1.0, inner.area_px)


def _mirror(box: Box, width_px: int) -> Box:
    return Box(width_px - box.right_px, box.top_px, width_px - box.left_px, box.bottom_px)
