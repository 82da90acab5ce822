"""Examples on disk, in the order in which they are learnt."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.verdicts import LABELS, Verdict
from train_judge.config import Learns
from train_judge.encoding import Encoded, ExampleEncoder
from train_judge.examples import Example, stream_examples
from train_judge.steps import checksum

_CHARACTERS = 5  # of a token, at most: what is cut off does not count as length
_TEXTS = ("instruction", "input", "response1", "response2", "reason", "reference")


class ExampleTable:
    """The examples of a file, memory-mapped: some bytes of memory for each, whatever its length.

    Attributes:
        path: JSONL of examples; every record is read and checked when the table is made.
        digest: SHA-256 of the file.
        lengths: characters of each example.

    Raises:
        InputError: for the file or the record at fault, or a target that leaves its prompt no room.
    """

    def __init__(self, path: Path, cache: Path, encode: ExampleEncoder) -> None:
        self.path = path
        self.digest = checksum(path)
        try:
            self._rows = datasets.Dataset.from_generator(
                _rows,
                gen_kwargs={
                    "path": str(path),
                    "digest": self.digest,
                    "learns": str(encode.learns),
                    "longest": encode.max_length,
                },
                cache_dir=str(cache),
                features=_FEATURES,
            )
        except datasets.exceptions.DatasetGenerationError as error:
            if isinstance(error.__cause__, InputError):  # which record, and what is wrong with it
                raise error.__cause__ from None
            raise
        self.lengths = self._column("length")
        for place in np.flatnonzero(self._column("target_bytes") > encode.surely_fits):
            try:
                encode(self[place])
            except InputError as error:
                raise InputError(f"{path}: record {place}: {error}") from None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int | np.integer) -> Example:
        row = self._rows[int(place)]
        return Example(verdict=Verdict(row["verdict"]), **{name: row[name] for name in _TEXTS})

    @cached_property
    def prompts(self) -> frozenset[str]:
        """Ids of the prompts."""
        return frozenset(self._column("prompt_id"))

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of each verdict, in [0, 1]."""
        verdicts = self._column("verdict")
        return {label: float(np.mean(verdicts == label)) for label in LABELS}

    @cached_property
    def has_reasons(self) -> bool:
        """Whether any example says more than its verdict."""
        return bool(self._column("target_bytes").any())

    def _column(self, name: str) -> np.ndarray:
        column: np.ndarray = self._rows.data.column(name).to_numpy()
        return column


_FEATURES = datasets.Features(
    {name: datasets.Value("string") for name in (*_TEXTS, "verdict", "prompt_id")}
    | {name: datasets.Value("int64") for name in ("length", "target_bytes")}
)


def _rows(path: str, digest: str, learns: str, longest: int) -> Iterator[dict[str, Any]]:
    for example in map(Learns(learns).of, stream_examples(Path(path))):
        texts = {name: getattr(example, name) for name in _TEXTS}
        yield {
            **texts,
            "verdict": str(example.verdict),
            "prompt_id": example.prompt_id,
            "length": min(sum(map(len, texts.values())), _CHARACTERS * longest),
            "target_bytes": len(example.reason.encode()) + len(example.reference.encode()),
        }


class LearningData:
    """Examples in the order of learning, encoded when they are asked for (a torch map data set)."""

    def __init__(
        self, table: ExampleTable, places: np.ndarray, swaps: np.ndarray, encode: ExampleEncoder
    ) -> None:
        self._table, self._places, self._swaps, self._encode = table, places, swaps, encode

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Encoded:
        place = self._places[number]
        example = self._table[place]
        try:
            return self._encode(example.swapped() if self._swaps[number] else example)
        except InputError as error:
            raise InputError(f"{self._table.path}: record {place}: {error}") from None


def both_orders(table: ExampleTable, encode: ExampleEncoder) -> LearningData:
    """Every example and, right behind it, the same one swapped: for validation."""
    places = np.repeat(np.arange(len(table)), 2)
    return LearningData(table, places, np.arange(len(places)) % 2 == 1, encode)
