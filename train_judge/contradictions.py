"""Reasons that speak for another verdict than the one they stand beside.

The rule is conservative: it finds plain statements that one response is the better one, and drops
an example only if all of them are for one response and the verdict is another. A sentence that
weighs ("although", "but") says nothing to it, and a reason without a plain statement passes.
"""

from __future__ import annotations

import re

from pandalm_eval.verdicts import Verdict

_WEIGHS = re.compile(
    r"\b(?:although|though|but|however|while|whereas|if|unless|except|despite|yet|would|could"
    r"|might|some(?:what|times)?|not|nor|n't|neither|slightly)\b|n't\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_SIDE = r"\b(?:response|answer|output)\s+(?P<side>[12])\s+"
# What may follow: the end, or a reason. "Better structured" and "better at rhymes" speak of a part.
_END = (
    r"(?=\s*(?:[.!;,:]|$|than\s+(?:the\s+other|(?:response|answer|output)\s+[12])"
    r"|because|since|as\s+it|overall|here|(?:response|answer|output|choice|one|option)\b))"
)
_BETTER = re.compile(
    rf"{_SIDE}(?:is|was)\s+(?:(?:clearly|much|far|definitely|therefore|thus|overall|the|a)\s+)*"
    rf"(?:better|best|superior|preferable|preferred){_END}",
    re.IGNORECASE,
)
_WORSE = re.compile(
    rf"{_SIDE}(?:is|was)\s+(?:(?:clearly|much|far|definitely|therefore|thus|overall|the|a)\s+)*"
    rf"(?:worse|worst|inferior){_END}",
    re.IGNORECASE,
)
_EQUAL = re.compile(
    r"\b(?:both|the\s+two)\s+(?:responses|answers|outputs)\s+are\s+equally\s+(?:good|bad)\s*[.!]?"
    r"|\b(?:it|this)\s+is\s+a\s+(?:tie|draw)\s*[.!]?",
    re.IGNORECASE,
)
_BY_SIDE = {"1": Verdict.FIRST, "2": Verdict.SECOND}


def contradicts(reason: str, verdict: Verdict) -> bool:
    """Whether the reason plainly speaks for another verdict.

    >>> contradicts("Response 2 is better because it is complete.", Verdict.FIRST)
    True
    >>> contradicts("Response 2 is better structured. Response 1 is correct.", Verdict.FIRST)
    False
    """
    said = set()
    sentences = [sentence for sentence in _SENTENCE.split(reason.strip()) if sentence]
    for sentence in sentences:
        if _WEIGHS.search(sentence):
            continue
        said |= {_BY_SIDE[match["side"]] for match in _BETTER.finditer(sentence)}
        said |= {_BY_SIDE[match["side"]].swapped for match in _WORSE.finditer(sentence)}
    # "Equally good" may be said of one aspect; it is the verdict only where nothing else is said.
    if len(sentences) == 1 and _EQUAL.fullmatch(sentences[0]):
        said.add(Verdict.TIE)
    return len(said) == 1 and verdict not in said
