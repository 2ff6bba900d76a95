"""Quality measured on documents that nobody has tuned to: drawn anew from a seed, asked over HTTP, judged here.

`draw_set(seed, count)` draws questions with their pictures, `score(question, said)` judges an answer.
"""

from .drawing import draw_document, draw_set
from .question import Kind, Question
from .scoring import Verdict, score

__all__ = ["Kind", "Question", "Verdict", "draw_document", "draw_set", "score"]
