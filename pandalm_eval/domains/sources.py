"""The sources by name, and their pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from pandalm_eval.domains import bioasq, lsat, pubmedqa
from pandalm_eval.domains.answer_key import SEED, KeyedPair, build_pairs
from pandalm_eval.domains.questions import Question, draw

_PARTS: dict[str, Callable[[str | None], list[Question]]] = {
    **{f"lsat-{part}": partial(lsat.load, part) for part in lsat.PARTS},
    "pubmedqa": pubmedqa.load,
    "bioasq": bioasq.load,
}


def parts_of(source: str) -> list[str]:
    """The parts whose pairs are made apart: a part alone has the same pairs as within the whole.

    >>> parts_of("lsat"), parts_of("lsat-ar")
    (['lsat-ar', 'lsat-lr', 'lsat-rc'], ['lsat-ar'])
    """
    return [part for part in _PARTS if part == source or part.startswith(f"{source}-")]


def read_parts(source: str, data_dir: str | None = None) -> list[list[Question]]:
    """The questions of each part of a source, from the data folder."""
    return [_PARTS[part](data_dir) for part in parts_of(source)]


def pairs_by_key(parts: Iterable[Sequence[Question]], seed: int = SEED) -> list[KeyedPair]:
    """The answer-key pairs of all parts; any first n of them are a random sample of the whole."""
    pairs = [pair for questions in parts for pair in build_pairs(questions, seed)]
    return sorted(pairs, key=lambda pair: (draw(seed, pair.id), pair.id))
