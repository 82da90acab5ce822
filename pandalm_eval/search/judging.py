"""The judge of a search: reads single orders of pairs, in batches, and keeps every reading."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from pandalm_eval.judgments import Protocol, Reading, read_logprobs
from pandalm_eval.order_requests import as_text
from pandalm_eval.pairs import Pair
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.search.readings import Costs, Kept, Readings
from pandalm_eval.search.space import Judging
from pandalm_eval.task import PairwiseJudge
from pandalm_eval.verdicts import Verdict

_CHUNK = 64
"""Readings asked of the judge at a time: what a kill can lose."""

_SLOTS = 64
"""Locks by which several processes share the readings of a batch."""

_PATIENCE = 0.5
"""Seconds between looks at what another process is reading."""

Ordered = tuple[Pair, bool]
"""A pair, and whether it is shown swapped."""


class _Orders(PairwiseJudge):
    """Some orders of some pairs; `dataset_kwargs` has both, as they were made in this process."""

    def _read_pairs(self) -> list[Pair]:
        return list(self._source["pairs"])

    def _choose(self, pairs: list[Pair]) -> list[Pair]:
        self.has_gold = False
        return pairs

    def build(self, chat_template: Callable[..., Any] | None) -> list[Any]:
        """Requests of the orders that are wanted; shortened as if both were."""
        prompt = self.fewshot_context(
            {}, apply_chat_template=chat_template is not None, chat_template=chat_template
        )
        wanted = self._source["wanted"]
        requests = []
        for number, doc in enumerate(self.dataset["test"]):
            own = self.construct_requests(doc, prompt, metadata=(self.config.task, number, 1))
            each = len(own) // 2
            requests += [request for request in own if request.idx // each in wanted[doc["id"]]]
        if self.settings.protocol is Protocol.LOGPROB:
            self._orders.refuse_split_prompts(requests)
        self._instances = requests
        return requests

    def tokens(self, request: Any) -> int:
        """Tokens of a request's prompt; 0 where no language model reads it."""
        return self._context.count(as_text(request.args[0])) if self._context.is_limited else 0


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
        lm = self._ready()
        start = time.monotonic()
        found = self._ask(lm, distinct)
        took = (time.monotonic() - start) / len(found)
        self.readings.add(
            (pair, swapped, Kept(pair.text_hash, reading, tokens, took))
            for (pair, swapped), (reading, tokens) in zip(distinct, found, strict=True)
        )
        self.made += Costs(len(found), sum(tokens for _, tokens in found), took * len(found))
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

    def _ask(self, lm: Any, wanted: Sequence[Ordered]) -> list[tuple[Reading, int]]:
        """Readings and the tokens of their prompts, one an order."""
        orders: dict[str, set[int]] = {}
        pairs = {pair.id: pair for pair, _ in wanted}
        for pair, swapped in wanted:
            orders.setdefault(pair.id, set()).add(int(swapped))
        task = _Orders(
            {
                "task": "pandalm-compare",
                "dataset_kwargs": {
                    "protocol": self.told.protocol.value,
                    "pairs": list(pairs.values()),
                    "wanted": orders,
                },
                "metadata": {
                    "protocol": self.told.protocol.value,
                    "prompt": self.told.prompt.value,
                    **self.told.model_args,
                },
            }
        )
        chat = self.told.prompt is PromptStyle.CHAT
        requests = task.build(lm.apply_chat_template if chat else None)
        answers = getattr(lm, task.OUTPUT_TYPE)(requests)
        for request, answer in zip(requests, answers, strict=True):
            request.resps.append(answer)
        task.apply_filters()
        return [self._reading(task, pair, swapped) for pair, swapped in wanted]

    def _reading(self, task: _Orders, pair: Pair, swapped: bool) -> tuple[Reading, int]:
        own = sorted(
            (request for request in task.instances if request.doc["id"] == pair.id),
            key=lambda request: request.idx,
        )
        scores = self.told.protocol is Protocol.LOGPROB
        own = [one for one in own if one.idx // (3 if scores else 1) == int(swapped)]
        told = [json.loads(request.filtered_resps["none"]) for request in own]
        tokens = task.tokens(own[0])
        if scores:
            values = [one["logprob"] for one in told]
            truncated = bool(told[0]["truncated"])
            return read_logprobs(values, swapped=swapped, truncated=truncated), tokens
        return Reading.from_json(told[0]), tokens

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
