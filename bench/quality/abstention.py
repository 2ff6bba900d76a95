"""Recognise that an answer declines, or says that a thing is not there, in five languages. Called by scoring."""

from __future__ import annotations

import re

from .reading import find_texts

_SEEN = (
    r"(?:shown|visible|given|listed|stated|printed|mentioned|present|provided|included|specified|available|legible|"
    r"readable|indicated|displayed|found|there|contained|part of|(?:on|in) (?:the|this|it)|named|noted|drawn)"
)
_UNABLE = re.compile(
    "|".join(
        (
            r"\b(?:can(?:'t| ?not)|could(?:n't| not)|unable to|not able to|impossible to|not possible to)\b",
            r"\b(?:hard|difficult|no way) to (?:tell|say|read|know)\b|\bnot sure\b",
            r"(?:\b(?:do|does|did) not|n't) know\b",
            r"\b(?:unclear|unknown|uncertain|illegible|unreadable|not enough|no information|n/a)\b",
            r"\bkann\b[^.;]{0,60}\bnicht\b|\b(?:unbekannt|unklar|unleserlich)\b",
            r"\bnicht(?: \w+){0,2} (?:lesbar|erkennbar)\b",
            r"\bne (?:peux|peut|puis|vois|sais)\b|\bn'arrive\b|\b(?:illisible|inconnue?)\b|\bpas (?:\w+ )?lisible\b",
            r"\bno (?:puedo|se puede|veo|sé|es legible)\b|\bno se lee\b|\b(?:desconocid[oa]|ilegible)\b",
            r"\bnon (?:posso|riesco|vedo|(?:lo )?so|leggibile|si (?:vede|legge|può))\b",
            r"\b(?:illeggibile|sconosciut[oa])\b",
        )
    ),
    re.I,
)
_NOT_SHOWN = re.compile(
    "|".join(
        (
            rf"(?:\bnot|n't)(?: \w+){{0,3}}? {_SEEN}\b|\bmissing\b",
            r"(?:\b(?:do|does|did) not|n't)(?: \w+)? (?:see|show|say|state|list|give|include|contain|have|name)\b",
            r"(?:\b(?:do|does|did) not|n't)(?: \w+)? (?:print|specify|appear|provide|indicate|display|tell|mention)\b",
            r"\bnicht(?: \w+){0,2} (?:sichtbar|angegeben|aufgeführt|enthalten|vorhanden|genannt|vermerkt)\b",
            r"\bnicht(?: \w+){0,2} (?:abgebildet|ersichtlich|zu (?:sehen|erkennen|lesen|finden))\b",
            r"\bne (?:figure|contient|mentionne|précise|comporte)\b|\bn'(?:est|apparaît|indique|y a)\b",
            r"\bpas (?:\w+ )?(?:indiquée?|visible|mentionnée?|précisée?|affichée?|présente?)\b",
            r"\bno (?:aparece|figura|consta|está|es visible|se (?:indica|ve|muestra|menciona|especifica))\b",
            r"\bnon (?:è|compare|appare|risulta|viene|figura|indicat[oa]|visibile|presente)\b",
        )
    ),
    re.I,
)
_DENIES = re.compile(
    "|".join(
        (
            r"\bthere(?:'s| is| are| was| were)? (?:no|not|n't)\b|\bthere (?:isn't|aren't)\b",
            r"\b(?:has|have|shows?|lists?|contains?|with|includes?|gives?) no\b",
            r"\b(?:none|nothing|nobody|nowhere|absent|blank|empty|free)\b|^no\b(?! doubt)",
            rf"\bno (?:such|\w+(?: \w+){{0,5}} (?:is|are|was|appears?|{_SEEN}))\b",
            r"\b(?:is not|isn't|aren't) (?:a|an|any|one)\b",
            r"\bkein(?:e|en|er|em|es)?\b|\b(?:nichts|fehlt|leer)\b",
            r"\baucune?\b|\bpas (?:de|d')|\bil n'y a\b|\b(?:rien|absente?|vide)\b",
            r"\bno hay\b|\bning[uú]n[oa]?\b|\b(?:nada|falta|vac[ií]o)\b",
            r"\bnon (?:c'è|ci sono)\b|\bnessun[oa]?\b|\b(?:manca|niente|vuot[oa])\b",
        )
    ),
    re.I,
)
_NEGATED = re.compile(
    r"\b(?:no|not|none|nothing|nowhere|never|neither|nor|un\w+|missing|absent|blank|empty|illegible|cannot|nicht|kein\w*|"
    r"fehlt|pas|aucune?|non|nessun\w*|ning[uú]n\w*|manca|falta|without|only|free)\b|n't\b|\bn'|n/a",
    re.I,
)
_STATES = re.compile(
    r"\b(?:is|are|was|costs?|reads?|says?|ist|lautet|kostet|beträgt|est|coûte|es|cuesta|è|costa)\b|:\s*\S|=", re.I
)
_CLAUSE = re.compile(
    r"(?<!\d)[.;!?](?=\s|$)|[.;!?]\s|\n|\b(?:but|however|though|although|aber|jedoch|mais|pero|ma)\b"
    r"|, (?:and|so|it|the|und|et|y|e) ",
    re.I,
)


def declines(text: str) -> bool:
    """It says that it cannot tell, or that the thing is not shown."""
    return is_unable(text) or bool(_NOT_SHOWN.search(text))


def is_unable(text: str) -> bool:
    """It says that it cannot tell or read."""
    return bool(_UNABLE.search(text))


def is_negated(text: str) -> bool:
    """It has a word of negation."""
    return bool(_NEGATED.search(text))


def misses(text: str, asked: tuple[str, ...]) -> bool:
    """A clause names the missing thing and negates it."""
    return any(find_texts(clause, asked) and is_negated(clause) for clause in _CLAUSE.split(text) if clause)


def denies(text: str) -> bool:
    """It says that there is no such thing."""
    return bool(_DENIES.search(text))


def offers_instead(
    text: str, question: str, *, asked: tuple[str, ...], values: tuple[str, ...], neighbours: tuple[str, ...]
) -> bool:
    """Whether a clause offers a value for the missing thing and not for one of its neighbours."""
    known = {each for each in values if each in question}
    for clause in _CLAUSE.split(text):
        if not clause or find_texts(clause, neighbours):
            continue
        digits = set(re.findall(r"\d+", clause)) - set(re.findall(r"\d+", question))
        said = [m for m in find_texts(clause, values) if not m.readings <= known]
        if digits or said:
            return True
        if find_texts(clause, asked) and _STATES.search(clause) and not is_negated(clause):
            return True
    return False
