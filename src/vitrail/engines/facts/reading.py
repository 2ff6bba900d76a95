"""Recognise the request to read a picture's text out, which code answers word for word. Pure; called by answers.

A request counts when it has a word for reading and no other word of content: `What does the sign say?`, `Transcribe all
text`, but not `Translate the text` or `What is the first word?`.
"""

from __future__ import annotations

from collections.abc import Sequence

from vitrail.engines.facts.sheet import FactSheet
from vitrail.engines.facts.words import fold_words, word_set

NO_TEXT = "I can't read any text in this image."

READING = word_set(
    """
    copy wording copie recopie recopier copia copiar abschreiben schreibe
    transcribe transcription transcript read ocr say says text texts written writing wording transkribiere
    transkribieren lies lesen vorlesen steht texte transcris transcrire lire lis ecrit transcribe transcribir
    transcribe leer lee texto dice escrito trascrivi trascrivere leggi leggere testo scritto dice
    """
)
MARKS = word_set(
    """
    tick ticks ticked unticked checked unchecked checkmark checkmarks crossed checkbox checkboxes toggle toggles toggled
    switches switched enabled disabled highlighted underlined bold italic circled
    """
)
CODES = word_set("qr code codes barcode barcodes scan scanning scanned codice codigo strichcode")
OPENING = word_set(
    """
    decode store stored contain hold encode encoded behind lead leads link links url address data information decodiere
    enthalt contient contiene decodifica inside point points when where wohin fuhrt go you open opens
    """
)
CARRIERS = word_set(
    """
    notice banner
    sign board poster page document screenshot screen label note letter card sheet slip image picture photo scan
    file schild seite dokument bild foto text affiche panneau page image photo cartel pagina documento imagen foto
    cartello immagine
    """
)
LINKING = word_set(
    """
    write out see down provide reproduce type note just only off
    printed appears mot pour palabra por parola per ab worter
    quel quelle cual quale welcher which
    the a an this that these what does do is are on in of from it here there all any every everything complete
    entire full whole exact exactly verbatim please can could you me for to out aloud give show tell visible
    contained contains line by as and i want need extract content contents word literal literally den die das der
    diesem dieser dem im auf was bitte alle alles ganze ganzen gesamten vor mir wort fur le la les ce cette dans sur
    de du tout toute que qu est il y a dit moi s te plait veuillez el la lo los las en esta este que todo toda de se
    por favor il lo nella nel sul cosa c e scrive tutto tutta
    """
)


def asks_to_read_out(question: str) -> bool:
    """Tell whether the whole text is asked for, and nothing else."""
    words = [part for word in fold_words(question) for part in word.replace("-", "'").split("'")]
    if not words or (words[0] in ("is", "are", "does", "do", "can") and words[1:2] != ["you"]):
        return False
    if {"word", "words"} & set(words) and not {"for", "wort"} & set(words):
        return False
    return bool(READING & set(words)) and set(words) <= READING | CARRIERS | LINKING


def asks_for_code(question: str) -> bool:
    """Tell whether the contents of a bar code or matrix code are asked for, and nothing else."""
    words = {part for word in fold_words(question) for part in word.replace("-", "'").split("'")}
    return bool(CODES & words) and words <= CODES | OPENING | READING | CARRIERS | LINKING


def read_codes_out(sheets: Sequence[FactSheet]) -> str:
    """Return the contents of all codes, a line each."""
    return "\n".join(code.text for sheet in sheets for code in sheet.codes)


def asks_for_marks(question: str, facts: str) -> bool:
    """Tell whether ticks, switches or type styles are asked about, which no text line tells."""
    return bool(MARKS & set(fold_words(question)) - set(fold_words(facts)))


def read_out(sheets: Sequence[FactSheet]) -> str:
    """Return the whole text of the pictures as it stands in them."""
    if len(sheets) == 1:
        return sheets[0].text or NO_TEXT
    return "\n\n".join(f"Image {number}:\n{sheet.text or NO_TEXT}" for number, sheet in enumerate(sheets, 1))
