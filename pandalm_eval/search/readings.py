"""Readings of a study: each is made once, and kept for every strategy, report and restart.

One JSONL file a process under `readings/<judge>/`, appended to and never rewritten, so that any
number of processes on any file system may add at once, and a kill loses at most its last line.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Reading
from pandalm_eval.pairs import Pair
from pandalm_eval.search.space import Judging
from pandalm_eval.store import SENDING_ARGUMENTS, files_at
from pandalm_eval.verdicts import Invalid
from train_judge.steps import write_json


class Order(NamedTuple):
    """What is read: a pair, by its id (prompt and both names), in one order."""

    pair: str
    swapped: bool


@dataclass(frozen=True, slots=True)
class Costs:
    """What readings took.

    Attributes:
        readings: that were made, not taken over from a pair of the same texts.
        tokens: of their prompts.
        seconds: of the judge's time.
    """

    readings: int
    tokens: int
    seconds: float

    def __add__(self, more: Costs) -> Costs:
        return Costs(
            self.readings + more.readings,
            self.tokens + more.tokens,
            self.seconds + more.seconds,
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A reading with what it cost.

    Attributes:
        text_hash: of the pair's texts: answers that changed are other answers.
        tokens, seconds: of the prompt, and its share of the time of its batch; 0 where nobody read
            it, since both answers are equal or the same texts had been read.
    """

    text_hash: str
    reading: Reading
    tokens: int
    seconds: float


class Readings:
    """All readings by one judge, and a file of this process for new ones.

    Args:
        folder: the study's.
        judge: readings of another judge, protocol or prompt stand in a folder of their own.

    Raises:
        InputError: from every method, if the files cannot be read or written.
    """

    def __init__(self, folder: Path, judge: Judging) -> None:
        told = _identity(judge)
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = folder / "readings" / digest
        own = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}.jsonl"
        self._own = self.folder / own
        self._seen: dict[Path, int] = {}
        self._kept: dict[Order, Kept] = {}
        self._by_text: dict[tuple[str, bool], Kept] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock"):
                write_json(self.folder / "judge.json", told)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({error.strerror}).") from None
        self.refresh()

    def __len__(self) -> int:
        return len(self._kept)

    def items(self) -> Iterable[tuple[Order, Kept]]:
        """Every reading."""
        return self._kept.items()

    def costs(self) -> Costs:
        """Of all of them."""
        made = [kept for kept in self._kept.values() if kept.seconds > 0]
        seconds = math.fsum(kept.seconds for kept in made)
        return Costs(len(made), sum(kept.tokens for kept in made), seconds)

    def of(self, pair: Pair, swapped: bool) -> Reading | None:
        """The reading of an order, None where there is none of these texts."""
        kept = self._kept.get(Order(pair.id, swapped))
        return kept.reading if kept is not None and kept.text_hash == pair.text_hash else None

    def of_same_texts(self, pair: Pair, swapped: bool) -> Reading | None:
        """A reading of the same texts, whatever the names of their candidates are."""
        same = self._by_text.get((pair.text_hash, swapped))
        return None if same is None else same.reading

    def add(self, new: Iterable[tuple[Pair, bool, Kept]]) -> None:
        """Keep readings; they are on disk when this returns.

        A request that failed is remembered by this process only, so that the next one asks again.
        """
        lines = []
        for pair, swapped, kept in new:
            self._remember(Order(pair.id, swapped), kept)
            if kept.reading.reason is Invalid.ERROR:
                continue
            record = {
                "pair": pair.id,
                "swapped": swapped,
                "text_hash": kept.text_hash,
                "tokens": kept.tokens,
                "took": round(kept.seconds, 6),
                **kept.reading.to_json(),
            }
            lines.append(json.dumps(record) + "\n")
        content = "".join(lines).encode()
        try:
            with self._own.open("ab") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                self._seen[self._own] = file.tell()
        except OSError as error:
            raise InputError(
                f"{self._own}: readings cannot be written ({error.strerror}). Make room, and run "
                "the same command again: those that were kept are not read again."
            ) from None

    def refresh(self) -> None:
        """Take in what other processes have added."""
        for path in sorted(self.folder.glob("*.jsonl")):
            for record in self._lines(path):
                try:
                    kept = Kept(
                        record["text_hash"],
                        Reading.from_json(record),
                        int(record["tokens"]),
                        float(record["took"]),
                    )
                    self._remember(Order(record["pair"], bool(record["swapped"])), kept)
                except (KeyError, ValueError, TypeError) as error:
                    raise InputError(
                        f"{path}: holds a line that is no reading ({error}). Put the file aside: "
                        "its readings are then made anew."
                    ) from None

    def _lines(self, path: Path) -> Iterator[Mapping[str, Any]]:
        try:
            yield from self._new_lines(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}).") from None

    def _new_lines(self, path: Path) -> Iterator[Mapping[str, Any]]:
        with path.open("rb") as file:
            file.seek(self._seen.get(path, 0))
            for line in file:
                if not line.endswith(b"\n"):  # being written, or cut off for ever
                    return
                self._seen[path] = self._seen.get(path, 0) + len(line)
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # torn by a full disk, and written behind

    def _remember(self, order: Order, kept: Kept) -> None:
        self._kept[order] = kept
        self._by_text[(kept.text_hash, order.swapped)] = kept


def _identity(judge: Judging) -> dict[str, Any]:
    """What a judge's readings depend on, as far as it can be known without loading it."""
    arguments = {k: v for k, v in judge.model_args.items() if k not in SENDING_ARGUMENTS}
    return {
        "model": judge.model,
        "model_args": arguments,
        "files": {k: files_at(v) for k, v in arguments.items() if isinstance(v, str) and v},
        "protocol": judge.protocol.value,
        "prompt": judge.prompt.value,
    }
