"""Texts made comparable: what is left of them when spelling is ignored, and their parts as sets."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterable, Sequence

import regex
from datasketch import MinHash

# Words are runs of letters, marks and digits; scripts that write no spaces give a word a letter.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = regex.compile(rf"(?V1)[{_SPACELESS}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{_SPACELESS}]]+")

PERMUTATIONS = 64


def words(text: str) -> list[str]:
    """The words of a text, folded: no case, no punctuation, no emoji, no matter how it is encoded.

    A text that has none (an emoji, a row of signs) is one word.

    >>> words("Don't  SHOUT at ﬁve 🐼🐼, 北京!")
    ['don', 't', 'shout', 'at', 'five', '北', '京']
    >>> words(" ?! "), words("")
    (['?!'], [])
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.casefold()
    return _WORD.findall(text) or text.split()


def normalised(*texts: str) -> str:
    """The words of several texts as one text: equal for texts that differ in spelling only.

    >>> normalised("Name the capital.", "France") == normalised("name the capital: France", "")
    True
    """
    return " ".join(words("\n".join(texts)))


def word_shingles(text: str, size: int = 3) -> set[str]:
    """Every `size` words in a row; of a shorter text the whole; of an empty one none."""
    return _runs(words(text), size, " ")


def character_shingles(folded: str, size: int = 5) -> set[str]:
    """Every `size` characters in a row of a normalised text: short texts have few words."""
    return _runs(folded, size, "")


def _runs(parts: Sequence[str], size: int, glue: str) -> set[str]:
    if not parts:
        return set()
    last = max(len(parts) - size, 0)
    return {glue.join(parts[start : start + size]) for start in range(last + 1)}


def jaccard(one: set[str], two: set[str]) -> float:
    """Size of the intersection over size of the union, in [0, 1]; 1 of two empty sets."""
    union = len(one | two)
    return len(one & two) / union if union else 1.0


_EMPTY = MinHash(PERMUTATIONS, hashfunc=zlib.crc32)


def signature(shingles: Iterable[str]) -> MinHash:
    """MinHash of a set, the same on every machine (Broder 1997): the share of equal places of two
    signatures estimates the Jaccard similarity, with a standard deviation of at most .0625."""
    made = MinHash(
        hashvalues=_EMPTY.hashvalues,
        permutations=_EMPTY.permutations,
        hashfunc=zlib.crc32,
        scheme=_EMPTY.scheme,
    )
    # crc32 spreads badly by itself; the library mixes it before it permutes.
    made.update_batch(shingle.encode("utf-8", "replace") for shingle in shingles)
    return made
