"""The judgments as data for the page's script, each text once.

A prompt is mostly made of the pair's own texts, and the same pair is read in two orders and by
several judges. So texts stand in one list, and a prompt is the list of its parts: joined, they are
the prompt, character by character.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any

import numpy as np

from pandalm_eval.columns import INVALID, TIE, Columns
from pandalm_eval.judgments import Judgment, Reading
from pandalm_eval.report.hostile import SCRIPT_PATTERN
from pandalm_eval.report.position import is_changed
from pandalm_eval.report.samples import Texts, texts_of
from pandalm_eval.results import Run
from pandalm_eval.tables.domains import domain_of
from pandalm_eval.verdicts import Verdict

MOST = 50_000
"""Judgments that a page lists at most: that many with texts are 73 MB, and open in two seconds."""

VERDICTS = tuple(verdict.value for verdict in Verdict)
MARKS = {
    "wrong": "disagrees with gold",
    "changed": "changed by the swap",
    "invalid": "invalid",
    "tie": "tie",
}
"""What the judgments can be filtered by, and how it is called."""

_NUMBERS = {verdict: number for number, verdict in enumerate(Verdict)}
_OFTEN = 4  # times in a prompt; a response of "a" is found in every word, and helps nothing
_DIGITS = 4  # of probabilities and seconds, for looking at


@dataclass(slots=True)
class Pool:
    """Texts, each once, in the order of their first use."""

    texts: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        """Where the text stands."""
        place = self._places.setdefault(text, len(self.texts))
        if place == len(self.texts):
            self.texts.append(text)
        return place

    def places(self, prompt: str, known: Iterable[str]) -> list[int]:
        """Where the parts of a prompt stand: those in `known`, and what is between them."""
        whole = {text for text in known if text and prompt.count(text) <= _OFTEN}
        parts = [prompt]
        for text in sorted(whole, key=lambda text: (-len(text), text)):  # the longest first
            parts = [piece for part in parts for piece in _cut(part, text, whole)]
        return [self.place(part) for part in parts if part]


def _cut(part: str, text: str, known: Set[str]) -> Iterator[str]:
    """A part of a prompt cut around each occurrence of a text; what is known stays whole."""
    if part in known:
        yield part
        return
    for number, piece in enumerate(part.split(text)):
        if number:
            yield text
        yield piece


def browser_data(runs: Sequence[Run], *, with_text: bool) -> dict[str, Any]:
    """What the script is given.

    Of more than `MOST` judgments each so-many-th pair of every run is listed, so that runs on the
    same pairs have the same ones.

    Returns:
        hidden: pattern of characters to be shown by number; verdicts: their names by number;
        runs: {key, judge, task, protocol, gold, text: whether its texts are here}; texts; names:
        of models; judgments: lists of run, id, text hash, model 1, model 2 (places in names or
        null), gold, annotators, lengths, verdict, marks (numbers of `MARKS`), readings,
        probabilities, and with text [four texts, prompts, replies] by place.
        What is absent at the end of a list is left out. all: how many judgments there are.
    """
    count = sum(len(run.judgments or ()) for run in runs)
    step = max(1, -(-count // MOST))
    pool, names = Pool(), Pool()
    told_runs, rows = [], []
    keys: dict[str, int] = {}
    for run in runs:
        if run.judgments is None:
            continue
        listed = run.judgments[::step]
        texts = texts_of(run) if with_text else None
        none: Iterator[Texts | None] = repeat(None)  # without an end
        told_runs.append(_run(run, keys) | {"text": texts is not None})
        place, marks = len(told_runs) - 1, _marks(listed)
        own = none if texts is None else islice(texts, 0, None, step)
        for judgment, marked, text in zip(listed, marks, own):  # noqa: B905
            row = _row(place, judgment, marked, names)
            rows.append(_trimmed([*row, text and _placed(text, pool)]))
    return {
        "hidden": SCRIPT_PATTERN,
        "verdicts": VERDICTS,
        "marks": list(MARKS.values()),
        "runs": told_runs,
        "texts": pool.texts,
        "names": names.texts,
        "judgments": rows,
        "all": count,
    }


def _run(run: Run, keys: dict[str, int]) -> dict[str, Any]:
    """What names a run; its key is the same as long as the run is on the page."""
    name = run.name
    key = f"{name.task}/{name.protocol}/{name.judge}"
    count = keys[key] = keys.get(key, 0) + 1
    return {
        "key": key if count == 1 else f"{key}~{count}",
        "judge": name.judge,
        "task": domain_of(run) or name.task,
        "protocol": name.protocol.value,
        "gold": name.gold_source,
    }


def _row(run: int, judgment: Judgment, marks: list[int], names: Pool) -> list[Any]:
    models = [
        None if model is None else names.place(model)
        for model in (judgment.model1, judgment.model2)
    ]
    return [
        run,
        judgment.id,
        judgment.text_hash,
        *models,
        None if judgment.gold is None else _NUMBERS[judgment.gold],
        [_NUMBERS[label] for label in judgment.annotators],
        [judgment.length1, judgment.length2],
        _NUMBERS[judgment.verdict],
        marks,
        [_reading(reading) for reading in judgment.readings],
        _rounded(judgment.probabilities),
    ]


def _marks(judged: Columns) -> Iterator[list[int]]:
    """Numbers of the marks of each judgment."""
    told = {
        "wrong": judged.is_labelled & ~judged.is_correct,
        "changed": is_changed(judged),
        "invalid": np.any([order.verdict == INVALID for order in judged.orders], axis=0),
        "tie": judged.verdict == TIE,
    }
    held = np.stack([told[name] for name in MARKS], axis=1)
    return (np.flatnonzero(row).tolist() for row in held)


def _reading(reading: Reading) -> list[Any]:
    return _trimmed(
        [
            _NUMBERS[reading.verdict],
            reading.reason and reading.reason.value,
            reading.truncated or None,
            None if reading.seconds is None else round(reading.seconds, _DIGITS),
            _rounded(reading.probabilities),
        ]
    )


def _trimmed(row: list[Any]) -> list[Any]:
    """The row without what is absent at its end."""
    while row and row[-1] is None:
        row.pop()
    return row


def _rounded(probabilities: Sequence[float] | None) -> list[float] | None:
    return None if probabilities is None else [round(p, _DIGITS) for p in probabilities]


def _placed(text: Texts, pool: Pool) -> list[Any]:
    own = (text.instruction, text.input, text.response1, text.response2)
    stripped = (text.response1.strip(), text.response2.strip())
    return [
        [pool.place(part) for part in own],
        [pool.places(prompt, (*own, *stripped)) for prompt in text.prompts],
        [pool.place(reply) for reply in text.replies],
    ]
