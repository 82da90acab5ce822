"""What one reading of one order says, and how a judge's text is read.

PandaLM was trained to write `{1|2|Tie}`, a blank line, `### Reason: …`, `### Reference: …`. The
verdict is therefore the whole first line, or what stands before a section marker on it. Anything
else is invalid, with a reason: a number in prose is no verdict, and neither is a guess of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import regex

from pandalm_eval.models.text import Finish


class Verdict(StrEnum):
    """One reading's answer, told for the pair's own order unless said otherwise."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    INVALID = "invalid"

    @property
    def swapped(self) -> Verdict:
        """The same answer told for the exchanged responses: first and second change places."""
        return _SWAPPED.get(self, self)


_SWAPPED = {Verdict.FIRST: Verdict.SECOND, Verdict.SECOND: Verdict.FIRST}

LABELS = (Verdict.FIRST, Verdict.SECOND, Verdict.TIE)
"""The three labels, in the order in which probabilities and confusion counts are stored."""

TARGETS = {Verdict.FIRST: "1", Verdict.SECOND: "2", Verdict.TIE: "Tie"}
"""What the judge writes for each label (upstream's target format)."""


class Invalid(StrEnum):
    """Why a reading has no verdict."""

    EMPTY = "empty"
    """Nothing was written."""
    NO_VERDICT = "no_verdict"
    """There is text, but its first line is not a verdict."""
    LENGTH = "length"
    """The new-token budget ran out before a verdict stood."""
    ERROR = "error"
    """The request failed."""
    NOT_FINITE = "not_finite"
    """A log-likelihood was not a number, or all three verdicts had probability zero."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A verdict, or `Verdict.INVALID` with the reason."""

    verdict: Verdict
    reason: Invalid | None = None


# Where thinking aloud ends. Only what follows the last marker counts, so that a verdict weighed
# and dropped in the judge's thoughts is not taken for its answer.
THINKING_ENDS = (
    "</think>",
    "</thinking>",
    "</thought>",
    "</reasoning>",
    "</seed:think>",
    "[/THINK]",
    "◁/think▷",
    "<|end_of_thought|>",
    "<|channel|>final<|message|>",
)
THINKING_END = re.compile("|".join(map(re.escape, THINKING_ENDS)), re.IGNORECASE)
_THINKING_BEGINS = re.compile(
    r"\s*(?:<think(?:ing)?>|<thought>|<reasoning>|<seed:think>|\[THINK\]|◁think▷"
    r"|<\|begin_of_thought\|>|<\|channel\|>analysis)",
    re.IGNORECASE,
)

# The trained format from its first character on is an answer, not a thought: a marker in its reason
# or reference is a quotation.
_TRAINED = re.compile(r"\s{0,16}(?:1|2|Tie)\s{1,16}###\s?Reason:")

# Tokens that a decoder may leave in the text; they are no part of the answer.
_SPECIAL = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|<(?:pad|unk|bos|eos)>|<end_of_turn>|\[PAD\]")

# A verdict may wear emphasis, quotes, brackets or a full stop, and may be introduced by the name of
# the section ("Verdict: 1", "### Evaluation: Tie", "Response 2"). "1. The first …" or "1 reason"
# are prose and stay invalid, as do 1.5, 12 and 1/2.
_DECORATION = r"[\s*_`'\"“”‘’()\[\]{}]*"
_VERDICT_LINE = re.compile(
    rf"{_DECORATION}(?:#+{_DECORATION})?(?:(?:final\s+)?(?:verdict|evaluation|answer|judge?ment)"
    rf"{_DECORATION}[:=]{_DECORATION})?(?:response\s+(?=[12]))?"
    # Without IGNORECASE: it takes the Turkish dotless and dotted i for i, which lower() does not.
    rf"(?P<verdict>1|2|(?-i:[Tt][Ii][Ee])){_DECORATION}[.!]?{_DECORATION}",
    re.IGNORECASE,
)
_LONGEST_LINE = 80  # anything longer is prose, and no food for a backtracking pattern
_SECTION = re.compile(r"\s*#{2,}\s*(?:reason|reference)\b", re.IGNORECASE)

# The same, with what may stand behind the verdict on its line.
_VERDICT_BEGUN = regex.compile(
    f"(?:{_VERDICT_LINE.pattern})(?:{_SECTION.pattern}.*)?", regex.IGNORECASE
)

_BY_TEXT = {"1": Verdict.FIRST, "2": Verdict.SECOND, "tie": Verdict.TIE}


def parse_verdict(
    text: str, *, finish: Finish | None = None, thinking_end: str | None = None
) -> Parsed:
    """Read the verdict, for the order that the judge was shown, from newly generated text.

    Args:
        text: what the judge wrote, without the prompt.
        finish: why generation ended, where the backend tells.
        thinking_end: the judge's own end-of-thinking marker, besides the known ones.

    Returns:
        The verdict of the first non-empty line; else invalid with the reason.

    >>> parse_verdict("Tie\\n\\n### Reason: both are right").verdict
    <Verdict.TIE: 'tie'>
    >>> parse_verdict("1 of the responses is better").reason
    <Invalid.NO_VERDICT: 'no_verdict'>
    >>> parse_verdict("<think>1? No, 2.</think>\\n1").verdict
    <Verdict.FIRST: 'first'>
    """
    if finish == "error":
        return Parsed(Verdict.INVALID, Invalid.ERROR)
    cut_off = Invalid.LENGTH if finish == "length" else None

    answer_starts = max((end.end() for end in THINKING_END.finditer(text)), default=0)
    if thinking_end and thinking_end in text:
        answer_starts = max(answer_starts, text.rfind(thinking_end) + len(thinking_end))
    elif _TRAINED.match(text):
        answer_starts = 0
    if not answer_starts and _THINKING_BEGINS.match(text):
        return Parsed(Verdict.INVALID, cut_off or Invalid.LENGTH)  # thoughts that never ended
    answer = _SPECIAL.sub("", text[answer_starts:]).strip()
    if not answer:
        return Parsed(Verdict.INVALID, cut_off or Invalid.EMPTY)

    first_line = answer.split("\n", 1)[0]
    if section := _SECTION.search(first_line[:_LONGEST_LINE]):
        first_line = first_line[: section.start()]
    match = _VERDICT_LINE.fullmatch(first_line) if len(first_line) <= _LONGEST_LINE else None
    if match is None:
        return Parsed(Verdict.INVALID, cut_off or Invalid.NO_VERDICT)
    return Parsed(_BY_TEXT[match["verdict"].lower()])


_REASON = re.compile(r"^\s*#{2,}\s*Reason\s*:?", re.IGNORECASE | re.MULTILINE)
_REFERENCE = re.compile(r"^\s*#{2,}\s*Reference(?:\s+answer)?\s*:?", re.IGNORECASE | re.MULTILINE)


def read_parts(text: str) -> tuple[str, str]:
    """Reason and reference of a judge's text; empty where there is none.

    Headings inside the reference stay in it.

    >>> read_parts("1\\n### Reason: Response 1 is right.\\n### Reference: Paris")
    ('Response 1 is right.', 'Paris')
    """
    thoughts = max((end.end() for end in THINKING_END.finditer(text)), default=0)
    if _REASON.search(text) and not _REASON.search(text, thoughts):
        thoughts = 0  # the marker is a quotation in the reference
    text = text[thoughts:]
    if (reason := _REASON.search(text)) is None:
        return "", ""
    if (reference := _REFERENCE.search(text, reason.end())) is None:
        return text[reason.end() :].strip(), ""
    return text[reason.end() : reference.start()].strip(), text[reference.end() :].strip()


def is_settled(text: str) -> bool:
    """Whether no more text on its first line can make a verdict of what a judge has begun to write.

    Only for judges without end-of-thinking markers, after which anything could follow.

    >>> [is_settled(text) for text in ("", "Response", "1", "1.", "1. The", "The")]
    [False, False, False, False, True, True]
    """
    begun = _SPECIAL.sub("", text).lstrip()
    if {"<", "["} & set(begun) or len(begun) > _LONGEST_LINE:  # perhaps half a special token
        return False
    return _VERDICT_BEGUN.fullmatch(begun, partial=True) is None
