"""Records on disk, in the order in which they are learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import datasets
import numpy as np

from pandalm_eval.errors import InputError
from train_judge.encoding import Encoded
from train_judge.examples import Example
from train_judge.steps import checksum

_CHARACTERS = 5  # of a token, at most: what is cut off does not count as length


class Record(Protocol):
    """What is learnt from: a pair with its verdict, or an answer.

    Attributes:
        prompt_id: the sampling unit.
        characters: of all its texts.
        whole_bytes: bytes of what is never shortened.
    """

    @property
    def prompt_id(self) -> str: ...
    @property
    def characters(self) -> int: ...
    @property
    def whole_bytes(self) -> int: ...


Learnt = TypeVar("Learnt", bound=Record)
_Encoded = TypeVar("_Encoded", bound=Record, contravariant=True)


class RecordEncoder(Protocol[_Encoded]):
    """From a record to token ids.

    Attributes:
        max_length: most tokens of prompt and target together.
        surely_fits: records with at most so many `whole_bytes` are never refused.
    """

    max_length: int
    surely_fits: int

    def __call__(self, record: _Encoded, /) -> Encoded:
        """Token ids; raise an InputError where what is never shortened leaves no room."""


@dataclass(frozen=True)
class RecordFormat(Generic[Learnt]):
    """How records are read from a file, and kept as rows of texts.

    Attributes:
        read: yields the records of a file; an InputError names the one at fault.
        columns: the fields of a record.
        restore: a record from its fields.
    """

    read: Callable[[Path], Iterator[Learnt]]
    columns: tuple[str, ...]
    restore: Callable[[Mapping[str, str]], Learnt]


class RecordTable(Generic[Learnt]):
    """The records of a file, memory-mapped: some bytes of memory for each, whatever its length.

    Attributes:
        path: the file; every record is read and checked when the table is made.
        digest: SHA-256 of the file.
        lengths: characters of each record.

    Raises:
        InputError: for the file or the record at fault, or one that the encoder has no room for.
    """

    def __init__(
        self,
        path: Path,
        cache: Path,
        format: RecordFormat[Learnt],
        encode: RecordEncoder[Learnt],
    ) -> None:
        self.path = path
        self.digest = checksum(path)
        self._format = format
        numbers = dict.fromkeys(("length", "whole_bytes"), datasets.Value("int64"))
        texts = dict.fromkeys((*format.columns, "prompt_id"), datasets.Value("string"))
        try:
            self._rows = datasets.Dataset.from_generator(
                _rows,
                gen_kwargs={
                    "path": str(path),
                    "digest": self.digest,
                    "read": format.read,
                    "columns": format.columns,
                    "longest": encode.max_length,
                },
                cache_dir=str(cache),
                features=datasets.Features(texts | numbers),
            )
        except datasets.exceptions.DatasetGenerationError as error:
            if isinstance(error.__cause__, InputError):  # which record, and what is wrong with it
                raise error.__cause__ from None
            raise
        self.lengths = self.column("length")
        for place in np.flatnonzero(self.column("whole_bytes") > encode.surely_fits):
            try:
                encode(self[place])
            except InputError as error:
                raise InputError(f"{path}: record {place}: {error}") from None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int | np.integer) -> Learnt:
        row = self._rows[int(place)]
        return self._format.restore({name: row[name] for name in self._format.columns})

    @cached_property
    def prompts(self) -> frozenset[str]:
        """Ids of the prompts."""
        return frozenset(self.column("prompt_id"))

    def column(self, name: str) -> np.ndarray:
        """One field of all records."""
        column: np.ndarray = self._rows.data.column(name).to_numpy()
        return column


def _rows(
    path: str,
    digest: str,
    read: Callable[[Path], Iterator[Record]],
    columns: tuple[str, ...],
    longest: int,
) -> Iterator[dict[str, Any]]:
    for record in read(Path(path)):
        yield {
            **{name: str(getattr(record, name)) for name in columns},
            "prompt_id": record.prompt_id,
            "length": min(record.characters, _CHARACTERS * longest),
            "whole_bytes": record.whole_bytes,
        }


class LearningData(Generic[Learnt]):
    """Records in the order of learning, encoded when asked for (a torch map data set)."""

    def __init__(
        self, table: RecordTable[Learnt], places: np.ndarray, encode: RecordEncoder[Learnt]
    ) -> None:
        self._table, self._places, self._encode = table, places, encode

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Encoded:
        try:
            return self._encode(self._shown(number))
        except InputError as error:
            raise InputError(
                f"{self._table.path}: record {self._places[number]}: {error}"
            ) from None

    def _shown(self, number: int) -> Learnt:
        return self._table[self._places[number]]


class SwappedData(LearningData[Example]):
    """Pairs, some of them swapped."""

    def __init__(
        self,
        table: RecordTable[Example],
        places: np.ndarray,
        swaps: np.ndarray,
        encode: RecordEncoder[Example],
    ) -> None:
        super().__init__(table, places, encode)
        self._swaps = swaps

    def _shown(self, number: int) -> Example:
        example = super()._shown(number)
        return example.swapped() if self._swaps[number] else example


def both_orders(table: RecordTable[Example], encode: RecordEncoder[Example]) -> SwappedData:
    """Every pair and, right behind it, the same one swapped: for validation."""
    places = np.repeat(np.arange(len(table)), 2)
    return SwappedData(table, places, np.arange(len(places)) % 2 == 1, encode)
