"""Judgments as columns: nothing is lost, and a pair takes a hundred bytes."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.columns import CODES, INVALID, NONE, Columns
from pandalm_eval.judgments import Judgment, Protocol, Reading, RunName
from pandalm_eval.pairs import repeated
from pandalm_eval.results import Run, common_judgments
from pandalm_eval.verdicts import LABELS, Invalid, Verdict

_WHOLE = st.integers(-(2**63), 2**63 - 1)
_TEXTS = st.text(st.characters(), max_size=5)  # lone surrogates are among them
_SHARES = st.tuples(*[st.floats(0, 1)] * 3)
_LABELS = st.sampled_from(LABELS)
_READINGS = st.builds(
    Reading,
    st.sampled_from(Verdict),
    st.none() | st.sampled_from(Invalid),
    st.none() | _SHARES,
    st.booleans(),
    st.none() | st.floats(0, 1e6),
)
_JUDGMENTS = st.builds(
    Judgment,
    index=_WHOLE,
    id=_TEXTS,
    prompt_id=_TEXTS,
    text_hash=_TEXTS,
    model1=st.none() | _TEXTS,
    model2=st.none() | _TEXTS,
    gold=st.none() | _LABELS,
    annotators=st.lists(_LABELS, max_size=3).map(tuple),
    length1=_WHOLE,
    length2=_WHOLE,
    readings=st.lists(_READINGS, min_size=1, max_size=2).map(tuple),
    verdict=st.sampled_from(Verdict),
    probabilities=st.none() | _SHARES,
)


def plain(index: int, prompt: str = "p", **told: object) -> Judgment:
    """Without a gold label, read twice as a win of the first response."""
    reading = Reading(Verdict.FIRST)
    own = Judgment(
        index, f"pair-{index}", prompt, f"{index:016x}", "a", "b", None, (), 3, 5,
        (reading, reading), Verdict.FIRST, None,
    )  # fmt: skip
    return replace(own, **told)  # type: ignore[arg-type]


@given(st.lists(_JUDGMENTS, max_size=4))
def test_nothing_is_lost(judgments: list[Judgment]) -> None:
    judged = Columns.of(iter(judgments))
    assert list(judged) == judgments
    assert [judged[place] for place in range(len(judged))] == judgments
    assert list(judged[1::2]) == judgments[1::2]
    assert list(judged.take(np.arange(len(judged))[::-1])) == judgments[::-1]
    assert Columns.of(judged) is judged
    assert judged.readings() == sum(len(one.readings) for one in judgments)
    assert judged.readings(INVALID) == sum(
        reading.verdict is Verdict.INVALID for one in judgments for reading in one.readings
    )
    assert judged.is_labelled.tolist() == [one.gold is not None for one in judgments]
    assert judged.is_correct.tolist() == [one.correct for one in judgments]


def test_order_is_by_index_then_id() -> None:
    judgments = [plain(2), plain(1, id="z"), plain(0), plain(1, id="y")]
    ordered = Columns.of(judgments).by_index()
    assert [(one.index, one.id) for one in ordered] == [
        *((0, "pair-0"), (1, "y"), (1, "z"), (2, "pair-2")),
    ]
    assert ordered[:2].by_index().id[1] == "y"


def test_clusters_are_numbered_by_their_first_pair() -> None:
    judged = Columns.of([plain(i, prompt) for i, prompt in enumerate("abacbd")])
    assert judged.clusters().tolist() == [0, 1, 0, 2, 1, 3]
    assert judged[1:].clusters().tolist() == [0, 1, 2, 0, 3]
    assert judged.take(np.array([5, 4, 1])).clusters().tolist() == [0, 1, 1]


def test_other_verdicts_and_labels_on_the_same_pairs() -> None:
    judged = Columns.of([plain(0, gold=Verdict.TIE, annotators=tuple(LABELS)), plain(1)])[:1]
    labels = judged.labels(1)
    assert labels.tolist() == [CODES[Verdict.SECOND]]
    assert list(judged.told(labels)) == [
        replace(judged[0], readings=(Reading(Verdict.SECOND),), verdict=Verdict.SECOND)
    ]
    assert judged.told(labels, np.array([NONE], np.int8))[0].gold is None


def test_a_pair_takes_a_hundred_bytes() -> None:
    """As it is gathered and after; an object of a judgment takes a thousand."""
    count = 20_000

    def each() -> Iterator[Judgment]:
        for index in range(count):
            yield plain(index, f"prompt-{index // 6}")

    tracemalloc.start()
    try:
        judged = Columns.of(each())
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(judged) == count
    assert kept < 140 * count
    assert most < 170 * count


def _run(judgments: Sequence[Judgment]) -> Run:
    name = RunName("task", "judge", Protocol.VERDICT, "pandalm", "greedy", "human")
    return Run(name, {}, Columns.of(judgments), Path("judgments_x.jsonl"))


def test_common_pairs_have_id_and_hash_in_common() -> None:
    """Of five pairs one is missing in the other run, and one is another pair of the same id."""
    first = [plain(index) for index in (4, 2, 0, 1, 3)]
    second = [plain(index, verdict=Verdict.TIE) for index in range(1, 5)]
    second[0] = replace(second[0], text_hash="another")
    one, other = common_judgments(_run(first), _run(second))
    assert [judgment.index for judgment in one] == [2, 3, 4]
    assert [judgment.id for judgment in other] == [judgment.id for judgment in one]
    assert set(other.verdict) == {CODES[Verdict.TIE]}
    assert not common_judgments(_run(first), replace(_run(second), judgments=None))[0]
    assert not common_judgments(_run(first), _run([]))[0]


def test_repeated_ids_are_found_anywhere() -> None:
    ids = [str(number) for number in range(1000)]
    places = random.Random(1).sample(range(500, 1000), 20)
    for place in places:
        ids[place] = str(place % 7)
    assert repeated(ids) == sorted(places)
    assert repeated([]) == []
