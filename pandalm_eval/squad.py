"""Token F1 of one SQuAD 2.0 answer, which the harness's samples hold as texts and not as a number.

As in the official evaluation (Rajpurkar et al. 2018, arXiv 1806.03822): small letters, no
punctuation, no articles; the best of the accepted answers; an unanswerable question wants no text.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def token_f1(predicted: str, accepted: Sequence[str]) -> float:
    """F1 of the predicted words against the best of the accepted answers, in [0, 1].

    >>> token_f1("the Eiffel tower", ["Tower of Pisa", "Eiffel Tower!"]), token_f1("", [])
    (1.0, 1.0)
    >>> token_f1("in Paris", ["Paris"])  # precision 1/2, recall 1
    0.6666666666666666
    """
    answers = [words for text in accepted if (words := _words(text))] or [[]]
    return max(_f1(_words(predicted), answer) for answer in answers)


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _f1(predicted: Sequence[str], answer: Sequence[str]) -> float:
    if not predicted or not answer:
        return float(predicted == answer)
    common = (Counter(predicted) & Counter(answer)).total()
    return 2 * common / (len(predicted) + len(answer))
