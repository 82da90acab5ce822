"""Judgments column by column: a tenth of the memory of objects, and figures without loops.

A run of a million pairs fits into little more than 100 MB. Whoever wants one judgment gets an
object; whoever counts takes the columns.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from pandalm_eval.judgments import (
    Judgment,
    Probabilities,
    Reading,
    RunName,
    stream_judgments,
)
from pandalm_eval.pairs import check_unique
from pandalm_eval.statistics.clusters import Floats, Numbers, Truths
from pandalm_eval.verdicts import Invalid, Verdict

Codes = npt.NDArray[np.int8]
"""Places in `Verdict`; -1 where there is none."""

NONE = -1
CODES = {verdict: code for code, verdict in enumerate(Verdict)}
FIRST, SECOND, TIE, INVALID = CODES.values()

_VERDICTS = tuple(Verdict)
_REASONS = (*Invalid, None)  # so that -1 is none
_REASON_CODES = {reason: code for code, reason in enumerate(Invalid)} | {None: NONE}


@dataclass(frozen=True, slots=True, eq=False)
class Texts(Sequence[str]):
    """Texts one behind the other in one piece of memory: their bytes, and 8 for where each ends."""

    _bytes: bytearray
    _starts: Numbers
    _ends: Numbers

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Texts: ...
    def __getitem__(self, place: int | slice) -> str | Texts:
        starts, ends = self._starts[place], self._ends[place]
        if isinstance(place, slice):
            return Texts(self._bytes, starts, ends)
        return self._bytes[starts:ends].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        for start, end in zip(self._starts, self._ends, strict=True):
            yield self._bytes[start:end].decode("utf-8", "surrogatepass")

    def take(self, rows: Numbers) -> Texts:
        """Those at some places."""
        return Texts(self._bytes, self._starts[rows], self._ends[rows])


class _Gathered:
    """Texts that still grow."""

    def __init__(self) -> None:
        self._bytes, self._bounds = bytearray(), array("q", [0])

    def add(self, text: str) -> None:
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._bounds.append(len(self._bytes))

    def texts(self) -> Texts:
        bounds = np.frombuffer(self._bounds, np.int64)
        return Texts(self._bytes, bounds[:-1], bounds[1:])


class _Rare:
    """Rows of numbers that most files lack: they cost nothing before the first one."""

    def __init__(self, width: int) -> None:
        self._width, self._rows, self._values = width, 0, array("d")

    def add(self, row: Sequence[float] | None) -> None:
        if row is not None:
            missing = self._width * self._rows - len(self._values)
            self._values.extend([math.nan] * missing)
            self._values.extend(row)
        self._rows += 1

    def values(self) -> Floats | None:
        """(rows, width), NaN where there is none; None without any."""
        if not self._values:
            return None
        missing = self._width * self._rows - len(self._values)
        self._values.extend([math.nan] * missing)
        return np.frombuffer(self._values).reshape(self._rows, self._width)


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """The readings of one order; (n,) each.

    Attributes:
        verdict: told for the pair's own order; -1 where the pair was not read in this order.
        reason: place in `Invalid`, -1 where there is none.
        truncated: whether the prompt was shortened.
        seconds: (n, 1), NaN where it was not measured; None where it never was.
        probabilities: (n, 3), NaN where there are none; None where there never are.
    """

    verdict: Codes
    reason: Codes
    truncated: Truths
    seconds: Floats | None = None
    probabilities: Floats | None = None

    @property
    def is_read(self) -> Truths:
        """Where there is a reading."""
        read: Truths = self.verdict != NONE
        return read

    def take(self, rows: Numbers) -> Order:
        """Of some pairs."""
        return Order(
            self.verdict[rows],
            self.reason[rows],
            self.truncated[rows],
            None if self.seconds is None else self.seconds[rows],
            None if self.probabilities is None else self.probabilities[rows],
        )

    def reading(self, row: int) -> Reading:
        """One of them."""
        seconds = math.nan if self.seconds is None else float(self.seconds[row, 0])
        return Reading(
            _VERDICTS[self.verdict[row]],
            _REASONS[self.reason[row]],
            _probabilities(self.probabilities, row),
            bool(self.truncated[row]),
            None if math.isnan(seconds) else seconds,
        )


class _GatheredOrder:
    def __init__(self) -> None:
        self._verdict, self._reason, self._truncated = array("b"), array("b"), array("b")
        self._seconds, self._probabilities = _Rare(1), _Rare(3)

    def add(self, reading: Reading | None) -> None:
        self._verdict.append(NONE if reading is None else CODES[reading.verdict])
        self._reason.append(NONE if reading is None else _REASON_CODES[reading.reason])
        self._truncated.append(reading is not None and reading.truncated)
        seconds = None if reading is None else reading.seconds
        self._seconds.add(None if seconds is None else (seconds,))
        self._probabilities.add(None if reading is None else reading.probabilities)

    def order(self) -> Order:
        return Order(
            np.frombuffer(self._verdict, np.int8),
            np.frombuffer(self._reason, np.int8),
            np.frombuffer(self._truncated, np.bool_),
            self._seconds.values(),
            self._probabilities.values(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Columns(Sequence[Judgment]):
    """Judgments of one run; arrays are (n,), and a verdict is its place in `Verdict`.

    Attributes:
        indices: places of the pairs in their set.
        length1, length2: as in `Judgment`.
        id, text_hash: likewise.
        prompt: number of the pair's prompt in `prompts`.
        model1, model2: numbers of its candidates in `models`, -1 where it names none.
        gold: label, -1 where there is none.
        annotated: number of the annotators' labels in `annotators`, which has each row of labels
            that occurs.
        orders: readings, forward and swapped; at least one.
        verdict: what they resolve to.
        probabilities: (n, 3), mean over both orders; None where there are none.
    """

    indices: npt.NDArray[np.int64]
    id: Texts
    text_hash: Texts
    prompt: npt.NDArray[np.int32]
    prompts: Sequence[str]
    model1: npt.NDArray[np.int32]
    model2: npt.NDArray[np.int32]
    models: Sequence[str]
    gold: Codes
    annotated: npt.NDArray[np.int32]
    annotators: Sequence[tuple[Verdict, ...]]
    length1: npt.NDArray[np.int64]
    length2: npt.NDArray[np.int64]
    orders: tuple[Order, ...]
    verdict: Codes
    probabilities: Floats | None

    @classmethod
    def of(cls, judgments: Iterable[Judgment]) -> Columns:
        """The columns of judgments, which may come one by one; columns stay what they are."""
        if isinstance(judgments, Columns):
            return judgments
        indices, length1, length2 = array("q"), array("q"), array("q")
        prompt, model1, model2, annotated = (array("i") for _ in range(4))
        gold, verdict = array("b"), array("b")
        ids, hashes, probabilities = _Gathered(), _Gathered(), _Rare(3)
        orders = _GatheredOrder(), _GatheredOrder()
        prompts: dict[str, int] = {}
        models: dict[str | None, int] = {None: NONE}
        annotators: dict[tuple[Verdict, ...], int] = {}
        most = 1
        for j in judgments:
            indices.append(j.index)
            length1.append(j.length1)
            length2.append(j.length2)
            ids.add(j.id)
            hashes.add(j.text_hash)
            prompt.append(prompts.setdefault(j.prompt_id, len(prompts)))
            model1.append(models.setdefault(j.model1, len(models) - 1))
            model2.append(models.setdefault(j.model2, len(models) - 1))
            annotated.append(annotators.setdefault(j.annotators, len(annotators)))
            gold.append(NONE if j.gold is None else CODES[j.gold])
            verdict.append(CODES[j.verdict])
            probabilities.add(j.probabilities)
            most = max(most, len(j.readings))
            for place, order in enumerate(orders):
                order.add(j.readings[place] if place < len(j.readings) else None)
        return cls(
            indices=np.frombuffer(indices, np.int64),
            id=ids.texts(),
            text_hash=hashes.texts(),
            prompt=np.frombuffer(prompt, np.int32),
            prompts=list(prompts),
            model1=np.frombuffer(model1, np.int32),
            model2=np.frombuffer(model2, np.int32),
            models=[name for name in models if name is not None],
            gold=np.frombuffer(gold, np.int8),
            annotated=np.frombuffer(annotated, np.int32),
            annotators=list(annotators),
            length1=np.frombuffer(length1, np.int64),
            length2=np.frombuffer(length2, np.int64),
            orders=tuple(order.order() for order in orders[:most]),
            verdict=np.frombuffer(verdict, np.int8),
            probabilities=probabilities.values(),
        )

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> Judgment: ...
    @overload
    def __getitem__(self, place: slice) -> Columns: ...
    def __getitem__(self, place: int | slice) -> Judgment | Columns:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        return Judgment(
            index=int(self.indices[place]),
            id=self.id[place],
            prompt_id=self.prompts[self.prompt[place]],
            text_hash=self.text_hash[place],
            model1=self._model(self.model1[place]),
            model2=self._model(self.model2[place]),
            gold=None if self.gold[place] == NONE else _VERDICTS[self.gold[place]],
            annotators=self.annotators[self.annotated[place]],
            length1=int(self.length1[place]),
            length2=int(self.length2[place]),
            readings=tuple(
                order.reading(place) for order in self.orders if order.verdict[place] != NONE
            ),
            verdict=_VERDICTS[self.verdict[place]],
            probabilities=_probabilities(self.probabilities, place),
        )

    def __iter__(self) -> Iterator[Judgment]:
        return (self[row] for row in range(len(self)))

    def _model(self, number: int) -> str | None:
        return None if number == NONE else self.models[number]

    @property
    def names_models(self) -> bool:
        """Whether any pair names the candidate of its first response."""
        return bool((self.model1 != NONE).any())

    @property
    def is_labelled(self) -> Truths:
        """Where there is a gold label."""
        labelled: Truths = self.gold != NONE
        return labelled

    @property
    def is_correct(self) -> Truths:
        """Where the verdict is the gold label; an invalid one never is."""
        correct: Truths = self.verdict == self.gold
        return correct

    def take(self, rows: npt.NDArray[Any]) -> Columns:
        """The judgments at some places, or where a mask is true."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        names = ("indices", "prompt", "model1", "model2", "gold", "annotated", "length1", "length2")
        told = {name: getattr(self, name)[rows] for name in (*names, "verdict")}
        return replace(
            self,
            **told,
            id=self.id.take(rows),
            text_hash=self.text_hash.take(rows),
            orders=tuple(order.take(rows) for order in self.orders),
            probabilities=None if self.probabilities is None else self.probabilities[rows],
        )

    def by_index(self) -> Columns:
        """The same in the order of their pairs; those of one index, if there are any, by id."""
        steps = np.diff(self.indices)
        if (steps > 0).all():
            return self
        ordered = self.take(np.argsort(self.indices, kind="stable"))
        if (np.diff(ordered.indices) > 0).all():
            return ordered
        keys = list(zip(ordered.indices.tolist(), ordered.id, strict=True))
        return ordered.take(np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp))

    def clusters(self) -> Numbers:
        """Numbers of the prompts, in the order of their first pair here."""
        first = np.full(len(self.prompts), len(self))
        first[self.prompt[::-1]] = np.arange(len(self))[::-1]  # the last one to write stays
        numbers = np.empty(len(first), np.intp)
        numbers[np.argsort(first, kind="stable")] = np.arange(len(first))
        clusters: Numbers = numbers[self.prompt]
        return clusters

    def readings(self, verdict: int | None = None) -> int:
        """How many readings there are, or how many with a verdict."""
        found = (
            order.is_read if verdict is None else order.verdict == verdict for order in self.orders
        )
        return sum(int(which.sum()) for which in found)

    def labels(self, annotator: int) -> Codes:
        """What one annotator says of each pair, -1 where a pair has fewer of them."""
        told = [
            CODES[labels[annotator]] if annotator < len(labels) else NONE
            for labels in self.annotators
        ]
        return np.array(told, np.int8)[self.annotated]

    def keys(self) -> npt.NDArray[np.int64]:
        """A number for each pair, by id and text hash; of use within one process."""
        pairs = zip(self.id, self.text_hash, strict=True)
        return np.fromiter(map(hash, pairs), np.int64, len(self))

    def told(self, verdict: Codes, gold: Codes | None = None) -> Columns:
        """The same pairs with one reading each, whose verdict stands.

        Args:
            gold: other labels in place of those here.
        """
        order = Order(verdict, np.full_like(verdict, NONE), np.zeros(len(verdict), np.bool_))
        gold = self.gold if gold is None else gold
        return replace(self, orders=(order,), verdict=verdict, gold=gold, probabilities=None)


def write_judgments(path: Path, run: RunName, judgments: Iterable[Judgment]) -> int:
    """Write JSONL, a judgment a line in pair order; returns the number of lines."""
    head = asdict(run)
    judged = Columns.of(judgments).by_index()
    with path.open("w", encoding="utf-8") as file:
        for judgment in judged:
            file.write(json.dumps(head | judgment.to_json(), allow_nan=False) + "\n")
    return len(judged)


def read_judgments(path: Path) -> tuple[RunName, Columns]:
    """The run and the judgments of a file that `write_judgments` made.

    Raises:
        InputError: not such a file, lines of more than one run, or a pair twice; names the line.
    """
    run: RunName | None = None

    def each() -> Iterator[Judgment]:
        nonlocal run
        for run, judgment in stream_judgments(path):  # noqa: B007 - all lines are of one run
            yield judgment

    judged = Columns.of(each())
    check_unique(path, judged.id)
    assert run is not None  # stream_records refuses empty files
    return run, judged


def _probabilities(rows: Floats | None, row: int) -> Probabilities | None:
    if rows is None or math.isnan(rows[row, 0]):
        return None
    first, second, tie = rows[row].tolist()
    return first, second, tie
