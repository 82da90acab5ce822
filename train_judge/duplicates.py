"""Pairs that say again what an earlier pair has said: word for word, or nearly so."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from datasketch import MinHash, MinHashLSH

from pandalm_eval.domains.questions import draw
from pandalm_eval.pairs import Pair
from train_judge.shingles import PERMUTATIONS, signature, word_shingles

THRESHOLD = 0.9
"""Two responses of 60 words that differ in one of them have a similarity of .9."""

_BANDS = (6, 10)
"""Bands and their width: finds 92% of the pairs at a similarity of .9 and 99.6% at .95; more bands
would cost memory."""


def exact_key(pair: Pair) -> int:
    """64 bits that stand for the four texts; the order of the responses does not matter."""
    one, two = sorted((pair.response1, pair.response2))
    return draw(pair.instruction, pair.input, one, two)


class NearDuplicates:
    """The pairs so far, by the MinHash signatures of their prompts and responses; no text is kept.

    A pair is a near duplicate of an earlier one if the prompts are at least `threshold` alike and
    so is each response to one of the other's, by the Jaccard similarity of runs of three words as
    the signatures estimate it. All three must be alike: under one prompt and beside one long
    response, a short "Yes" and a short "No" make two different pairs.

    Args:
        threshold: in (0, 1].
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._index = MinHashLSH(num_perm=PERMUTATIONS, params=_BANDS, hashfunc=_short)
        # A byte of each place is enough to compare by: others are equal once in 256 times.
        self._parts = np.zeros((1024, 3, PERMUTATIONS), dtype=np.uint8)
        self._count = 0

    def is_new(self, pair: Pair) -> bool:
        """Whether no earlier pair is like it; if so, it is one of the earlier pairs from now on."""
        prompt = f"{pair.instruction}\n{pair.input}"
        parts = [_signature(text) for text in (prompt, pair.response1, pair.response2)]
        # The signature of a union is the smallest value at each place.
        whole = MinHash.union(*parts)
        bytes_of = np.stack([part.hashvalues for part in parts]).astype(np.uint8)
        if (found := self._index.query(whole)) and self._is_like(bytes_of, np.array(found)):
            return False
        if self._count == len(self._parts):
            self._parts = np.concatenate([self._parts, np.zeros_like(self._parts)])
        self._parts[self._count] = bytes_of
        self._index.insert(self._count, whole, check_duplication=False)
        self._count += 1
        return True

    def _is_like(self, own: np.ndarray, found: np.ndarray) -> bool:
        others = self._parts[found]
        straight = (others == own).mean(axis=2)
        crossed = (others == own[[0, 2, 1]]).mean(axis=2)
        alike = np.maximum(straight.min(axis=1), crossed.min(axis=1))
        return bool((alike >= self._threshold).any())


@lru_cache(maxsize=8192)  # candidates share prompts, and pairs share responses
def _signature(text: str) -> MinHash:
    return signature(word_shingles(text))


def _short(band: bytes) -> bytes:
    return hashlib.blake2b(band, digest_size=8).digest()
