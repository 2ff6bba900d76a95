"""Decide whether a question about a photo can be answered at all. Pure; called by the engine before the model is
asked.

Perception names few things in a photo. A question is answerable only when every content word of it is one of those
names or a word about them; whatever else is asked (actions, clothes, brands, the time of day) is declined, not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence

from vitrail.engines.facts.facts_text import count_noun, describe_colours
from vitrail.engines.facts.sheet import FactSheet, Medium
from vitrail.engines.facts.words import (
    COLOUR_ASPECT,
    COLOUR_WORDS,
    COUNT_ASPECT,
    base_form,
    content_words,
    fold_words,
    word_set,
)

PICTURE_WORDS = word_set(
    """
    text written writing letter readable read size pixel width height wide format
    """
)
SHAPE_WORDS = word_set("shape form figure geometric frequent common often rare")
UNKNOWABLE = word_set("who whose whom when why")
UNMEASURED = word_set(  # of shapes, their places and sizes are not in the facts
    """
    where left right above below under over top bottom upper lower corner middle center centre between beside next
    near nearest inside outside overlap touch big bigger biggest large larger largest small smaller smallest tiny huge
    wide wider widest high higher tall taller tallest size area position place row column line order
    """
)
ABSTENTION = "I can't tell from this image."


def is_scene(sheets: Sequence[FactSheet]) -> bool:
    """Tell whether no picture of the conversation is there to be read."""
    return not any(sheet.has_document for sheet in sheets)


def is_answerable(question: str, sheets: Sequence[FactSheet]) -> bool:
    """Tell whether the facts cover what the question is about."""
    words = set(fold_words(question))
    if words & UNKNOWABLE:
        return False
    content = content_words(question)
    if all(sheet.shapes for sheet in sheets):
        return not {base_form(word) for word in words} & UNMEASURED
    things = content & name_things(sheets)
    about_colour = bool(content & COLOUR_ASPECT) or bool({base_form(word) for word in words} & COLOUR_WORDS)
    if about_colour and things:
        return False
    if words & COUNT_ASPECT and not things:
        return False
    if words & COUNT_ASPECT and any(things & {base_form(word) for word in sheet.unsure} for sheet in sheets):
        return False
    known = things | COLOUR_ASPECT | COLOUR_WORDS | PICTURE_WORDS
    return content <= known


def asks_for_everything(question: str) -> bool:
    """Tell whether the question names nothing in particular: `What is this?`, `Describe the image.`"""
    return not content_words(question)


def name_things(sheets: Sequence[FactSheet]) -> set[str]:
    """Return the base forms of everything the sheets name, and of what they say is not there."""
    names: list[str] = []
    for sheet in sheets:
        names += [one.name for one in sheet.objects]
        names += sheet.unseen
        if sheet.objects or sheet.label:
            names += _kinds(sheet)
        names += ["face"] if sheet.faces else []
        if sheet.shapes:
            names += [*SHAPE_WORDS, *(one.name for one in sheet.shapes)]
    return {base_form(word) for name in names for word in fold_words(name)}


def contradicts(question: str, answer: str, sheets: Sequence[FactSheet]) -> bool:
    """Tell whether the answer says yes to a thing that is surely not there, or no to one that surely is."""
    first = (fold_words(answer) or [""])[0]
    asked = content_words(question)
    if first not in ("yes", "no") or len(sheets) != 1:
        return False
    seen = {base_form(word) for one in sheets[0].objects for word in fold_words(one.name)}
    unseen = {base_form(word) for name in sheets[0].unseen for word in fold_words(name)}
    return bool(asked & unseen) if first == "yes" else bool(asked) and asked <= seen


def describe(sheet: FactSheet) -> str:
    """Return a description that says only what is sure, and where it ends."""
    counts = {one.name: 0 for one in sheet.objects}
    for one in sheet.objects:
        counts[one.name] += 1
    seen = [count_noun(count, name, at_least=name in sheet.unsure) for name, count in counts.items()]
    seen += [count_noun(one.count, f"{one.colour} {one.name}".strip()) for one in sheet.shapes]
    known = {base_form(name) for name in counts}
    if sheet.label and base_form(sheet.label.name) not in known:
        seen.append(f"something that looks most like {_article(sheet.label.name)}")
    medium = "photo" if sheet.medium is Medium.PHOTO else "picture"
    medium = f"black and white {medium}" if sheet.greyscale and not sheet.shapes else medium
    if seen:
        return f"The {medium} shows {_join(seen)}."
    colours = "" if sheet.greyscale else f" Its main colors are {describe_colours(sheet.colours[:3])}."
    return f"I can't tell what this {medium} shows.{colours}"


def _kinds(sheet: FactSheet) -> list[str]:
    label = [sheet.label.name, *sheet.label.kinds] if sheet.label else []
    kinds = {ANIMALS: "animal", VEHICLES: "vehicle"}
    return label + [kind for members, kind in kinds.items() for one in sheet.objects if one.name in members]


ANIMALS = word_set("bird cat dog horse sheep cow elephant bear zebra giraffe")
VEHICLES = word_set("bicycle car motorcycle airplane bus train truck boat")


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
