"""The judge of a search: reads single orders of pairs, in batches, and keeps every reading."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from pandalm_eval.judgments import Protocol, Reading
from pandalm_eval.search.readings import Costs, Kept, Readings
from pandalm_eval.search.space import Judging
from pandalm_eval.single_orders import Ordered, SingleOrders
from pandalm_eval.verdicts import Verdict

_CHUNK = 64
"""Readings asked of the judge at a time: what a kill can lose."""

_SLOTS = 64
"""Locks by which several processes share the readings of a batch."""

_PATIENCE = 0.5
"""Seconds between looks at what another process is reading."""


class Judge:
    """The judge, loaded when it is first needed.

    Args:
        told: who, and how.
        readings: where its readings are kept.
        watch: called with the number of readings after each chunk.

    Attributes:
        told: who it is, and how it judges.
        made: readings that this process has made, with what they took.
    """

    def __init__(
        self, told: Judging, readings: Readings, watch: Callable[[int], Any] = lambda _: None
    ) -> None:
        told.judge.check(told.protocol, told.prompt)
        self.told = told
        self.readings = readings
        self.made = Costs(0, 0, 0.0)
        self._orders = SingleOrders(told.judge, told.protocol, told.prompt, "pandalm-compare")
        self._watch = watch
        self._held = contextlib.ExitStack()
        self._lm: Any = None

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        self._lm = None

    def read(self, wanted: Sequence[Ordered]) -> list[Reading]:
        """The readings of all orders; kept ones are not made again, equal answers are a tie.

        Where several processes read the same batch, each makes a part of it.
        """
        waiting = _chunks(wanted)  # the same ones in every process
        while waiting := [chunk for chunk in waiting if not all(map(self._known, chunk))]:
            for chunk in waiting:
                self._read_alone(chunk)
            self.readings.refresh()
        return [reading for one in wanted if (reading := self._known(one)) is not None]

    def _known(self, one: Ordered) -> Reading | None:
        return self.readings.of(*one)

    def _read_alone(self, chunk: Sequence[Ordered]) -> None:
        """Read what is still missing of a chunk, unless another process is at it."""
        told = "".join(f"{pair.id}{swapped}" for pair, swapped in chunk)
        slot = int(hashlib.sha256(told.encode()).hexdigest(), 16) % _SLOTS
        lock = FileLock(self.readings.folder / f".slot-{slot}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            time.sleep(_PATIENCE)
            return
        try:
            self.readings.refresh()
            if missing := [one for one in chunk if self._known(one) is None]:
                self._read(missing)
        finally:
            lock.release()

    def _read(self, missing: Sequence[Ordered]) -> None:
        """Keep readings of all: those that nobody needs to make, and new ones."""
        free = [(one, reading) for one in missing if (reading := self._free(one)) is not None]
        self.readings.add((*one, Kept(one[0].text_hash, reading, 0, 0.0)) for one, reading in free)
        wanted = [one for one in missing if self._known(one) is None]
        # Two pairs of the same texts are one reading; the second is free, then.
        distinct = list(
            {(pair.text_hash, swapped): (pair, swapped) for pair, swapped in wanted}.values()
        )
        if not distinct:
            return
        found = self._orders.ask(self._ready(), distinct)
        self.readings.add(
            (pair, swapped, Kept(pair.text_hash, answer.reading, answer.tokens, answer.seconds))
            for (pair, swapped), answer in zip(distinct, found, strict=True)
        )
        for answer in found:
            self.made += Costs(1, answer.tokens, answer.seconds)
        self._watch(len(found))
        if len(distinct) < len(wanted):
            self._read([one for one in wanted if self._known(one) is None])

    def _free(self, one: Ordered) -> Reading | None:
        """What nobody needs to read: equal answers are a tie, the same texts are known."""
        pair, swapped = one
        if pair.response1 == pair.response2:
            shares = (0.0, 0.0, 1.0) if self.told.protocol is Protocol.LOGPROB else None
            return Reading(Verdict.TIE, probabilities=shares)
        return self.readings.of_same_texts(pair, swapped)

    def _ready(self) -> Any:
        if self._lm is None:
            self._lm = self._held.enter_context(self.told.judge.ready())
        return self._lm


def _chunks(wanted: Sequence[Ordered]) -> list[Sequence[Ordered]]:
    """Parts in which the orders of a prompt stand together, since they begin alike."""
    ordered = sorted(wanted, key=lambda one: (one[0].prompt_id, one[0].id, one[1]))
    return [ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK)]


@contextlib.contextmanager
def counted(most: int | None) -> Iterator[Callable[[int], Any]]:
    """A progress bar of readings, on a terminal; gives what counts them."""
    with tqdm(total=most, desc="readings", unit="", delay=1, disable=None) as bar:
        yield bar.update
