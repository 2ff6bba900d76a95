"""Cut text into words and know the ones that carry no content. A table and pure functions; called by the checks."""

from __future__ import annotations

import re
import unicodedata


def word_set(text: str) -> frozenset[str]:
    """Return the words of a table written as running text."""
    return frozenset(text.split())


_SENTENCE_START = re.compile(r"(?:^|[.!?:\n\"\u201c\u201e\u00ab(\u2022*-])\s*$")
_NAME = re.compile(r"[^\W\d_a-z][^\W\d_]*(?:['\u2019-][^\W\d_]+)*(?: [^\W\d_a-z][^\W\d_]*(?:['\u2019-][^\W\d_]+)*)*")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")

COLOUR_WORDS = word_set(
    """
    black white gray grey red orange brown beige yellow green turquoise cyan teal blue purple violet pink magenta
    gold golden silver navy maroon crimson cream tan
    """
)
COLOUR_ASPECT = word_set("color colour colors colours colored coloured")
COUNT_ASPECT = word_set("many number count counts")
SINGULARS = {
    "people": "person",
    "persons": "person",
    "human": "person",
    "humans": "person",
    "kitten": "cat",
    "kittens": "cat",
    "mice": "mouse",
    "motorbike": "motorcycle",
    "motorbikes": "motorcycle",
    "bike": "bicycle",
    "bikes": "bicycle",
    "plane": "airplane",
    "planes": "airplane",
    "grey": "gray",
    "greyscale": "gray",
    "grayscale": "gray",
    "television": "tv",
    "phone": "telephone",
    "phones": "telephone",
    "mug": "cup",
    "sofa": "couch",
}

# English words that ask, point or join, and words for the picture itself: they need no fact behind them.
EMPTY_WORDS = word_set(
    """
    a an the this that these those it its it's there here i i'm me my you your we us our he she they them his her
    their is are was were be been being am do does did can could will would shall should may might must have has had
    what what's which where how whether any some all each every both either neither none no not only just also too
    very and or but if so as of in on at to from by for with about into than then else more most less least other
    another yes maybe please tell say says give name list show shows shown showing see seen seeing visible look
    looks looking like describe description depict depicted depicts contain contains containing present appear
    appears display displayed answer question sentence sentences word words short shortly brief briefly detail
    details detailed exactly exact image images picture pictures photo photos photograph photographs pic shot one
    first second third two three thing things object objects item items kind kinds type types sort main mainly
    mostly dominant overall total altogether many much number count counts exist exists find found know certain
    probably surely clearly think don't isn't aren't can't cannot doesn't tell
    """
)

# Names that an answer may bring in by itself: they name a language, a day, a month or a unit, not a thing in a picture.
COMMON_NAMES = word_set(
    """
    january february march april may june july august september october november december jan feb mar apr jun jul
    aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday english german french spanish
    italian portuguese dutch danish swedish norwegian finnish polish czech russian turkish greek arabic hebrew hindi
    chinese japanese korean latin python javascript typescript java ruby rust go kotlin swift php perl lua bash sql
    html css json xml yaml markdown euro euros dollar dollars pound pounds usd eur gbp chf jpy i i'm ok am pm qr url
    http https id pdf
    """
)
_ENGLISH = word_set(
    """
    the is are what which who how many much of in on this that does do was were there it a an
    """
)
_ASKING_VERBS = word_set("is are was were do does did has have had can could will would should am")
_NOUNS_CAPITALISED = word_set(
    """
    der die das ist und ein eine nicht auf mit von zu im den dem des wie was wer
    """
)


def fold(text: str) -> str:
    """Return the text in lower case without accents, so that spellings compare equal."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    return "".join(character for character in plain if not unicodedata.combining(character)).casefold()


def split_words(text: str) -> list[str]:
    """Return the words of the text as they are written."""
    return _WORD.findall(text)


def fold_words(text: str) -> list[str]:
    """Return the words of the text, folded."""
    return split_words(fold(text))


def base_form(word: str) -> str:
    """Return a folded English word without its plural ending, everyday synonyms made one."""
    if word in SINGULARS:
        return SINGULARS[word]
    word = word.removesuffix("'s")
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        return word[:-1]
    return word


def content_words(text: str) -> set[str]:
    """Return the base forms of the words that carry content."""
    return {base_form(word) for word in fold_words(text) if word not in EMPTY_WORDS} - EMPTY_WORDS


def is_english(text: str) -> bool:
    """Tell whether the text has an English function word."""
    return any(word in _ENGLISH for word in fold_words(text))


def capitalises_nouns(text: str) -> bool:
    """Tell whether the text is in a language that writes nouns with a capital, as German does."""
    return sum(word in _NOUNS_CAPITALISED for word in fold_words(text)) >= 2


def find_inner_names(text: str) -> list[str]:
    """Return the runs of capitalised words, the first word of each sentence left out."""
    names = []
    for found in _NAME.finditer(text):
        name = found[0]
        if _SENTENCE_START.search(text[: found.start()]):
            name = name.partition(" ")[2]
        if name and name[0].isupper():
            names.append(name)
    return names


def is_yes_no(question: str) -> bool:
    """Tell whether an English question begins with a verb, so that yes or no answers it."""
    words = fold_words(question) or [""]
    return words[0] in _ASKING_VERBS or words[:3] == ["yes", "or", "no"]
