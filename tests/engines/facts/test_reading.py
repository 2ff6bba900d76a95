"""Requests to read the whole text out."""

from __future__ import annotations

import pytest

from vitrail.engines.facts.reading import asks_for_code, asks_to_read_out


@pytest.mark.parametrize(
    "question",
    [
        "Transcribe the text in this image.",
        "Transcribe all the text in the image.",
        "What does the sign say?",
        "Read this out to me, please.",
        "What is written here?",
        "Write out all the text you can see, word for word.",
        "Please copy the wording exactly as printed.",
        "What text is in this picture?",
        "Was steht auf dem Schild?",
        "Lies den ganzen Text vor.",
        "Quel est le texte de cette image ?",
        "¿Qué dice el cartel?",
        "Trascrivi tutto il testo.",
    ],
)
def test_a_request_for_the_whole_text_is_known(question):
    """Reading words alone, in five languages."""
    assert asks_to_read_out(question)


@pytest.mark.parametrize(
    "question",
    [
        "Translate the text to English.",
        "What is the total?",
        "What language is the text in?",
        "What does the sign say about dogs?",
        "What is the first word of the text?",
        "How many lines of text are there?",
        "Is there any text?",
        "Summarize what is written here.",
        "What is this?",
        "",
    ],
)
def test_any_other_question_is_not(question):
    """One word of content makes it another question."""
    assert not asks_to_read_out(question)


@pytest.mark.parametrize(
    ("question", "is_about_code"),
    [
        ("What does the QR code contain?", True),
        ("Where does scanning this code lead?", True),
        ("Decode the QR code.", True),
        ("Que contient le code QR ?", True),
        ("What is printed below the code?", False),
        ("What error code is shown?", False),
        ("What does this code print?", False),
        ("What does the function in the code return?", False),
    ],
)
def test_the_contents_of_a_code_are_told_from_other_codes(question, is_about_code):
    """Program code, error codes and text around a code are other questions."""
    assert asks_for_code(question) is is_about_code
