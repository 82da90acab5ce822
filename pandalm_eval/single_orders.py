"""Single orders of pairs, read by a loaded judge outside of a run of the harness."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pandalm_eval.context import Context
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Protocol, Reading, read_logprobs
from pandalm_eval.order_requests import as_text
from pandalm_eval.pairs import Pair
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.task import PairwiseJudge

Ordered = tuple[Pair, bool]
"""A pair, and whether it is shown swapped."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge gave for one order.

    Attributes:
        prompt: what it was shown, shortened where that was needed.
        text: what it wrote; None where its verdicts were scored.
        reading: what that says.
        tokens: of the prompt; 0 where no language model reads it.
        seconds: wall time of the call, divided by the orders asked in it.
    """

    prompt: str
    text: str | None
    reading: Reading
    tokens: int
    seconds: float


class SingleOrders:
    """Asks a judge single orders; requests and readings are those of a run of the harness.

    Args:
        judge: its arguments tell how long a prompt it reads.
        protocol, prompt: how it judges.
        called: what messages call the work.
    """

    def __init__(
        self, judge: JudgeModel, protocol: Protocol, prompt: PromptStyle, called: str
    ) -> None:
        self._judge = judge
        self._protocol = protocol
        self._prompt = prompt
        self._called = called
        self._context = Context(judge.arguments)  # kept, as it loads a tokenizer

    def rehearse(self, lm: Any, wanted: Sequence[Ordered]) -> None:
        """Load the tokenizer, build the requests and ask nothing.

        Raises:
            UsageError, InputError: what the judge, once loaded, turns out not to be able to do.
        """
        task, requests = self._build(lm, wanted)
        task.tokens(requests[0])

    def ask(self, lm: Any, wanted: Sequence[Ordered]) -> list[Answer]:
        """The answers, one an order; pairs have distinct ids.

        Raises:
            InputError: a prompt that cannot be made to fit.
        """
        task, requests = self._build(lm, wanted)
        start = time.monotonic()
        answers = getattr(lm, task.OUTPUT_TYPE)(requests)
        seconds = (time.monotonic() - start) / len(wanted)
        for request, answer in zip(requests, answers, strict=True):
            request.resps.append(answer)
        task.apply_filters()
        return [self._answer(task, pair, swapped, seconds) for pair, swapped in wanted]

    def _build(self, lm: Any, wanted: Sequence[Ordered]) -> tuple[_Orders, list[Any]]:
        orders: dict[str, set[int]] = {}
        pairs = {pair.id: pair for pair, _ in wanted}
        for pair, swapped in wanted:
            orders.setdefault(pair.id, set()).add(int(swapped))
        task = _Orders(
            {
                "task": self._called,
                "dataset_kwargs": {
                    "protocol": self._protocol.value,
                    "pairs": list(pairs.values()),
                    "wanted": orders,
                    "context": self._context,
                },
                "metadata": {
                    "protocol": self._protocol.value,
                    "prompt": self._prompt.value,
                    **self._judge.arguments,
                },
            }
        )
        chat = self._prompt is PromptStyle.CHAT
        return task, task.build(lm.apply_chat_template if chat else None)

    def _answer(self, task: _Orders, pair: Pair, swapped: bool, seconds: float) -> Answer:
        own = list(task.of_order(pair, swapped))
        told = [json.loads(request.filtered_resps["none"]) for request in own]
        prompt, tokens = as_text(own[0].args[0]), task.tokens(own[0])
        if self._protocol is Protocol.LOGPROB:
            values = [one["logprob"] for one in told]
            truncated = bool(told[0]["truncated"])
            reading = read_logprobs(values, swapped=swapped, truncated=truncated)
            return Answer(prompt, None, reading, tokens, seconds)
        text = str(own[0].resps[0] or "")
        return Answer(prompt, text, Reading.from_json(told[0]), tokens, seconds)


class _Orders(PairwiseJudge):
    """Some orders of some pairs; `dataset_kwargs` has both, as they were made in this process."""

    def _judge_context(self, metadata: Mapping[str, Any]) -> Context:
        context: Context = self._source["context"]
        return context

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

    def of_order(self, pair: Pair, swapped: bool) -> Iterator[Any]:
        """The requests of one order: one, or that of each verdict."""
        each = 3 if self.settings.protocol is Protocol.LOGPROB else 1
        own = (request for request in self.instances if request.doc["id"] == pair.id)
        for request in sorted(own, key=lambda request: request.idx):
            if request.idx // each == int(swapped):
                yield request

    def tokens(self, request: Any) -> int:
        """Tokens of a request's prompt; 0 where no language model reads it."""
        return self._context.count(as_text(request.args[0])) if self._context.is_limited else 0
