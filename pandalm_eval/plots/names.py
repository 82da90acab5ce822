"""Text of strangers as it may stand in a figure: printable, short, no mathematics, no two alike."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import regex

_LONGEST_NAME: Final = 40
"""Characters; what is longer loses its middle, since names often differ at the end."""

_READ: Final = 200
"""Characters looked at from each end of a text."""

_BREAK_AFTER: Final = frozenset(" -_/:@+")  # no full stop: 1.5 stays whole
_UNNAMED: Final = "(no name)"


@dataclass(frozen=True, slots=True)
class Printed:
    """A name as printed.

    Attributes:
        lines: one or more, escaped for matplotlib.
        width: of the longest line, in points.
    """

    lines: tuple[str, ...]
    width: float


def printed(
    texts: Sequence[str],
    width: float,
    size: float,
    lines: int = 1,
    longest: int = _LONGEST_NAME,
) -> list[Printed]:
    r"""Each text in at most `lines` lines of `width` points at font size `size`.

    What is longer than that, or than `longest` characters, loses its middle to an ellipsis. Texts
    that would look alike are numbered, `name`, `name (2)`: they are different candidates.

    >>> [name.lines for name in printed(["a_b", "cost: 5$", "a\n", "a\u200f"], 90, 8)]
    [('a_b',), ('cost: 5\\$',), ('a',), ('a (2)',)]
    """
    taken: set[tuple[str, ...]] = set()
    found = []
    for text in map(_printable, texts):
        fitted, number = _fit(text, width / size, lines, longest), 1
        while fitted in taken:
            number += 1
            fitted = _fit(f"{text} ({number})", width / size, lines, longest)
        taken.add(fitted)
        told = tuple(line.replace("$", r"\$") for line in fitted)
        found.append(Printed(told, size * max(map(_measure, fitted))))
    return found


def text_width(text: str, size: float) -> float:
    """Points that a line of text takes at a font size.

    >>> text_width("ii", 10) < text_width("WW", 10)
    True
    """
    return size * _measure(text)


def share(value: float, digits: int) -> str:
    """A share as it is printed, – where it is not defined.

    >>> share(0.6234, 3), share(1, 2), share(float("nan"), 2)
    ('.623', '1.00', '–')
    """
    if math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def _printable(text: str) -> str:
    """One line without control and direction marks; what no font or XML file can hold is `�`."""
    if len(text) > 2 * _READ:
        text = f"{text[:_READ]}…{text[-_READ:]}"
    text = "".join(map(_printable_character, unicodedata.normalize("NFC", text)))
    text = regex.sub(r"(\p{M}{2})\p{M}+", r"\1", text)  # stacked accents would reach other lines
    return " ".join(text.split()) or _UNNAMED


def _printable_character(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category in ("Cc", "Cf"):
        return ""
    return "�" if category in ("Cs", "Co", "Cn") else character


def _fit(text: str, width: float, most: int, longest: int) -> tuple[str, ...]:
    """The lines of a text in at most `most` lines of `width` em, shortened only where it must be.

    As many lines as needed and then as narrow as that many lines can be.
    """
    characters: list[str] = regex.findall(r"\X", text)
    for kept in range(min(len(characters), longest), 0, -1):
        told = _shortened(characters, kept)
        needed = len(_wrap(told, width))
        if needed <= most:
            narrower = (_wrap(told, width * tenths / 10) for tenths in range(4, 11))
            return next(tuple(found) for found in narrower if len(found) <= needed)
    return ("…",)


def _shortened(characters: Sequence[str], kept: int) -> list[str]:
    if kept >= len(characters):
        return list(characters)
    head = kept // 2
    return [*characters[:head], "…", *characters[len(characters) - (kept - 1 - head) :]]


def _wrap(characters: Sequence[str], width: float) -> list[str]:
    """Lines of at most `width` em, broken behind a hyphen or the like where one is near the end."""
    lines: list[str] = []
    line: list[str] = []
    for character in characters:
        if line and _measure("".join(line)) + _measure(character) > width:
            ends = [i for i, c in enumerate(line, start=1) if c in _BREAK_AFTER]
            cut = ends[-1] if ends and ends[-1] * 2 >= len(line) else len(line)
            lines.append("".join(line[:cut]).strip())
            line = line[cut:]
        line.append(character)
    return [line for line in (*lines, "".join(line).strip()) if line]


def _measure(text: str) -> float:
    return sum(map(_advance, text))


@lru_cache(maxsize=4096)
def _advance(character: str) -> float:
    """Width in em. The sum over a text is its width but for kerning, which only narrows."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.ft2font import LoadFlags

    if unicodedata.category(character).startswith("M"):
        return 0.0
    font = get_font(findfont("DejaVu Sans"))
    if not font.get_char_index(ord(character)):
        return 1.25  # drawn as a box, .6 or 1.2 em; with a font of SVG's reader about 1 em
    font.set_size(10, 72)
    advance = font.load_char(ord(character), LoadFlags.NO_HINTING).linearHoriAdvance
    return float(advance / 65536 / 10)
