"""The pairs that a known task judges, and whether judgments are of exactly these pairs."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pandalm_eval.columns import Columns
from pandalm_eval.data import data_folder, locate
from pandalm_eval.errors import InputError, listing
from pandalm_eval.judgments import Judgment, RunName
from pandalm_eval.leaderboard.faults import Fault, Lines
from pandalm_eval.pairs import Pair
from pandalm_eval.settings import GPT, HUMAN

_HUMAN_TASKS = (
    *("pandalm_human", "pandalm_human_single", "pandalm_human_verdict", "pandalm_human_logprob"),
)
_KEY = "key"
_DOMAINS = {
    **{f"pandalm_{source}": source for source in ("lsat", "pubmedqa")},
    **{f"pandalm-lsat-{part}": f"lsat-{part}" for part in ("ar", "lr", "rc")},
}
# BioASQ is not among them: which questions it has depends on the files of the user.

_COMPARED = (
    *("index", "prompt_id", "text_hash", "model1", "model2", "gold", "annotators"),
    *("length1", "length2"),
)


@dataclass(frozen=True, slots=True)
class Expected:
    """A pair as a judgment must tell it."""

    index: int
    id: str
    prompt_id: str
    text_hash: str
    model1: str | None
    model2: str | None
    gold: str | None
    annotators: tuple[str, ...]
    length1: int
    length2: int

    @classmethod
    def of(cls, index: int, pair: Pair) -> Expected:
        """What a pair of the data set looks like in judgments."""
        return cls(
            index,
            pair.id,
            pair.prompt_id,
            pair.text_hash,
            pair.model1,
            pair.model2,
            pair.gold and pair.gold.value,
            tuple(label.value for label in pair.annotators),
            len(pair.response1.strip()),
            len(pair.response2.strip()),
        )

    @classmethod
    def told_by(cls, judgment: Judgment) -> Expected:
        """What a judgment says of its pair."""
        j = judgment
        return cls(
            *(j.index, j.id, j.prompt_id, j.text_hash, j.model1, j.model2),
            j.gold and j.gold.value,
            tuple(label.value for label in j.annotators),
            *(j.length1, j.length2),
        )


def set_name(name: RunName) -> str | None:
    """What the known pair set of a run is called, None where its pairs are not known.

    >>> from pandalm_eval.judgments import Protocol
    >>> way = "x", Protocol.VERDICT, "pandalm", "greedy", "human"
    >>> set_name(RunName("pandalm_human_verdict", *way))
    'pandalm_human by human'
    """
    if name.task in _HUMAN_TASKS and name.gold_source in (HUMAN, GPT):
        return f"pandalm_human by {name.gold_source}"
    if name.task in _DOMAINS and name.gold_source == _KEY:
        return name.task
    return None


def known_pairs(set_name: str, data_dir: str | None = None) -> tuple[Expected, ...] | None:
    """The pairs of a known set; None where the data folder does not have it."""
    return _known_pairs(set_name, str(data_folder(data_dir)))


@functools.lru_cache(maxsize=8)
def _known_pairs(set_name: str, data_dir: str) -> tuple[Expected, ...] | None:
    try:
        pairs = _pairs(set_name, data_dir)
    except InputError:
        return None
    return tuple(Expected.of(index, pair) for index, pair in enumerate(pairs))


def _pairs(set_name: str, data_dir: str) -> Sequence[Pair]:
    if set_name in _DOMAINS:
        from pandalm_eval.domains.sources import pairs_by_key, read_parts

        return pairs_by_key(read_parts(_DOMAINS[set_name], data_dir))
    from pandalm_eval.gold import GPT_LABELS, with_gold
    from pandalm_eval.human import TEST_SET, read_test_set

    pairs = read_test_set(locate(TEST_SET, data_dir))
    if set_name.endswith(f" by {GPT}"):
        pairs = with_gold(pairs, locate(GPT_LABELS, data_dir))
    return [pair for pair in pairs if pair.gold is not None]


def fingerprint(pairs: Iterable[Expected]) -> str:
    """32 hexadecimal digits of SHA-256 over all that judgments tell of their pairs.

    Args:
        pairs: in the order of index and id.
    """
    digest = hashlib.sha256()
    for pair in pairs:
        told = [getattr(pair, name) for name in ("id", *_COMPARED)]
        digest.update(json.dumps(told).encode() + b"\n")
    return digest.hexdigest()[:32]


def told_by(judgments: Columns) -> str:
    """The fingerprint of the pairs that were judged."""
    return fingerprint(map(Expected.told_by, judgments.by_index()))


@functools.cache
def shipped() -> Mapping[str, Mapping[str, Any]]:
    """{pair set: {pairs, fingerprint}} of the released data, for where it is not at hand."""
    import yaml

    text = resources.files("pandalm_eval.leaderboard").joinpath("pair_sets.yaml").read_text("utf-8")
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)
    return found


def differences(
    where: str,
    judgments: Columns,
    lines: Sequence[int],
    expected: Sequence[Expected],
    of: str,
) -> list[Fault]:
    """Pairs that are missing, are not of the set, or are told otherwise than it has them.

    Args:
        where: what messages call the file.
        lines: number of each judgment's line.
        of: what messages call the set.
    """
    wrong, by_id = Lines(where), {pair.id: pair for pair in expected}
    for judgment, line in zip(judgments, lines, strict=True):
        pair = by_id.get(judgment.id)
        if pair is None:
            wrong.add(line, f"has an id that is no pair of {of}.")
            continue
        told = Expected.told_by(judgment)
        if other := [name for name in _COMPARED if getattr(told, name) != getattr(pair, name)]:
            wrong.add(line, f"has another {listing(other)} than the pair in {of}.")
    faults = wrong.faults()
    if missing := sorted(set(by_id) - set(judgments.id)):
        faults.append(
            Fault(
                where,
                f"{len(missing)} of the {len(by_id)} pairs of {of} are missing: {listing(missing)}"
                ". A leaderboard takes whole runs.",
            )
        )
    return faults
