"""Several ways to ask for the same thing, in five languages. Called by the families. Knows nothing of answers."""

from __future__ import annotations

from random import Random

from .labels import LABELS
from .languages import Language, label

_NATIVE_SHARE = 0.3

_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "field": {
        "en": (
            "What is the {x}?",
            "Which {x} is given here?",
            "Please read off the {x}.",
            "Can you tell me the {x} in this picture?",
            "{x}?",
            "I need the {x} from this document.",
        ),
        "de": ("Was steht hier als „{x}“?", "Bitte ablesen: {x}", "Welche Angabe steht bei „{x}“?"),
        "fr": ("Qu'est-il indiqué pour « {x} » ?", "Lisez la valeur de « {x} ».", "{x} ?"),
        "es": ("¿Qué pone en «{x}»?", "Indica el dato «{x}» de la imagen.", "¿{x}?"),
        "it": ("Che cosa è scritto alla voce «{x}»?", "Leggi il dato «{x}».", "{x}?"),
    },
    "price": {
        "en": (
            "How much is the {x}?",
            "What does {x} cost?",
            "What amount is printed next to {x}?",
            "Tell me the price of {x}.",
        ),
        "de": ("Wie viel kostet {x}?", "Welcher Preis steht bei {x}?"),
        "fr": ("Combien coûte {x} ?", "Quel est le prix indiqué pour {x} ?"),
        "es": ("¿Cuánto cuesta {x}?", "¿Qué precio tiene {x}?"),
        "it": ("Quanto costa {x}?", "Che prezzo ha {x}?"),
    },
    "cell": {
        "en": (
            "What is the {column} of {row}?",
            "In the row for {row}, what does the {column} column say?",
            "Look up {row}: which value stands under {column}?",
            "{column} for {row}?",
        ),
        "de": ("Welcher Wert steht bei {row} in der Spalte „{column}“?", "{row}: {column}?"),
        "fr": ("Quelle valeur figure pour {row} dans la colonne « {column} » ?",),
        "es": ("¿Qué valor tiene {row} en la columna «{column}»?",),
        "it": ("Che valore ha {row} nella colonna «{column}»?",),
    },
    "highest": {
        "en": (
            "Which {thing} has the highest {column}?",
            "Name the {thing} with the largest {column}.",
            "Where is {column} greatest?",
        ),
        "de": ("Wo ist der Wert „{column}“ am höchsten?",),
        "fr": ("Où la valeur « {column} » est-elle la plus élevée ?",),
        "es": ("¿Dónde es mayor el valor «{column}»?",),
        "it": ("Dove il valore «{column}» è più alto?",),
    },
    "lowest": {
        "en": (
            "Which {thing} has the lowest {column}?",
            "Name the {thing} with the smallest {column}.",
            "Where is {column} least?",
        ),
        "de": ("Wo ist der Wert „{column}“ am niedrigsten?",),
        "fr": ("Où la valeur « {column} » est-elle la plus basse ?",),
        "es": ("¿Dónde es menor el valor «{column}»?",),
        "it": ("Dove il valore «{column}» è più basso?",),
    },
    "sum": {
        "en": (
            "What do {a} and {b} add up to{of}?",
            "Add the figures of {a} and {b}{of}.",
            "How much are {a} and {b} together{of}?",
        ),
    },
    "difference": {
        "en": (
            "By how much do {a} and {b} differ{of}?",
            "What is the difference between {a} and {b}{of}?",
        ),
    },
    "exceed": {
        "en": (
            "How many of the entries have {column} above {limit}?",
            "Count the rows where {column} is more than {limit}.",
        ),
    },
    "rows": {
        "en": (
            "How many {things} are listed?",
            "Count the {things} in this picture.",
            "What number of {things} does it show?",
        ),
    },
    "title": {
        "en": ("What is the title?", "What is the heading at the top?", "Read out the headline."),
        "de": ("Wie lautet die Überschrift?",),
        "fr": ("Quel est le titre ?",),
        "es": ("¿Cuál es el título?",),
        "it": ("Qual è il titolo?",),
    },
    "transcribe": {
        "en": (
            "Write out all the text you can see, word for word.",
            "Give me the full text of this picture.",
            "Please copy the wording exactly as printed.",
        ),
        "de": ("Schreibe den ganzen Text wörtlich ab.",),
        "fr": ("Recopie tout le texte mot pour mot.",),
        "es": ("Copia todo el texto tal como aparece.",),
        "it": ("Trascrivi tutto il testo parola per parola.",),
    },
    "listed": {
        "en": (
            "Does {x} appear here? Yes or no.",
            "Is {x} listed? Answer with yes or no.",
            "Yes or no: is {x} among the entries?",
        ),
        "de": ("Kommt {x} hier vor? Ja oder nein.",),
        "fr": ("{x} figure-t-il ici ? Oui ou non.",),
        "es": ("¿Aparece {x} aquí? Sí o no.",),
        "it": ("Compare {x} qui? Sì o no.",),
    },
    "more": {
        "en": (
            "Is the {column} of {a} higher than that of {b}? Yes or no.",
            "Yes or no: does {a} have a larger {column} than {b}?",
        ),
    },
    "decode": {
        "en": (
            "What does the QR code contain?",
            "Where does scanning this code lead?",
            "Decode the QR code.",
            "What text is stored in the code?",
        ),
        "de": ("Was enthält der QR-Code?",),
        "fr": ("Que contient le code QR ?",),
        "es": ("¿Qué contiene el código QR?",),
        "it": ("Che cosa contiene il codice QR?",),
    },
}


def phrase(intent: str, language: Language, rng: Random, **slots: str) -> str:
    """A question; a slot whose value is a label's key is said in the language that the question is asked in."""
    phrases = _PHRASES[intent]
    native = rng.random() < _NATIVE_SHARE and language in phrases
    spoken = language if native else Language.ENGLISH
    words = {name: label(value, spoken) if value in LABELS else value for name, value in slots.items()}
    text = rng.choice(phrases[spoken]).format(**words)
    start = next((i for i, letter in enumerate(text) if letter.isalpha()), 0)
    return text[:start] + text[start].upper() + text[start + 1 :]
