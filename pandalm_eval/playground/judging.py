"""One pair, read by a loaded judge in both orders; knows nothing of the page that shows it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pandalm_eval.errors import InputError, PandaLMError, UsageError
from pandalm_eval.failures import surviving
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Probabilities, Protocol, Reading, resolve
from pandalm_eval.pairs import Pair, clean_text, prompt_hash, short_hash
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.single_orders import Answer, SingleOrders
from pandalm_eval.verdicts import Verdict, read_parts

_log = logging.getLogger(__name__)

_LONGEST_SENTENCE = 400  # of what a library says of its failure


class Stopped(Exception):
    """The user has stopped a judgment."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the judge gave for one order.

    Attributes:
        swapped: whether response 2 was shown first.
        prompt: exactly what the judge was shown.
        text: exactly what it wrote; None where its verdicts were scored.
        reading: what that says, told for the pair's own order.
        reason, reference: as written, for the order shown; empty where there is none.
        tokens: of the prompt; 0 where no language model reads it.
        seconds: wall time of the judge.
    """

    swapped: bool
    prompt: str
    text: str | None
    reading: Reading
    reason: str
    reference: str
    tokens: int
    seconds: float

    @classmethod
    def of(cls, answer: Answer, *, swapped: bool) -> Self:
        """An answer, with the text taken apart."""
        text = None if answer.text is None else clean_text(answer.text)
        reason, reference = read_parts(text or "")
        return cls(
            swapped=swapped,
            prompt=clean_text(answer.prompt),
            text=text,
            reading=answer.reading,
            reason=reason,
            reference=reference,
            tokens=answer.tokens,
            seconds=answer.seconds,
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair as judged.

    Attributes:
        orders: the pair's own, and swapped.
        verdict: what they resolve to.
        probabilities: mean over both orders, where the judge gives log-likelihoods.
    """

    orders: tuple[Order, Order]
    verdict: Verdict
    probabilities: Probabilities | None

    @classmethod
    def of(cls, protocol: Protocol, forward: Order, swapped: Order) -> Self:
        """Resolved as in every run (`judgments.resolve`)."""
        verdict, probabilities = resolve(protocol, [forward.reading, swapped.reading])
        return cls((forward, swapped), verdict, probabilities)

    @property
    def swap_changed(self) -> bool | None:
        """Whether the swap changed the verdict; None where an order has none."""
        verdicts = [order.reading.verdict for order in self.orders]
        return None if Verdict.INVALID in verdicts else len(set(verdicts)) > 1

    @property
    def shortened(self) -> bool:
        """Whether the texts were too long for the judge and were shortened."""
        return any(order.reading.truncated for order in self.orders)


def read_pair(instruction: str, input: str, response1: str, response2: str) -> Pair:
    """The pair of the four fields. Equal texts have equal ids, so that a random rule repeats.

    Raises:
        InputError: there is no task to judge by.
    """
    texts = [clean_text(text or "") for text in (instruction, input, response1, response2)]
    if not texts[0].strip() and not texts[1].strip():
        raise InputError("Write an instruction: without one there is nothing to judge by.")
    instruction, input, response1, response2 = texts
    id, prompt_id = short_hash(*texts), prompt_hash(instruction, input)
    return Pair(id, prompt_id, instruction, input, response1, response2)


class Playground:
    """A loaded judge that reads one pair at a time.

    Args:
        judge: who judges.
        protocol: full, verdict or logprob.
        prompt: which template it reads.

    Raises:
        UsageError, InputError: it cannot judge so, or cannot be loaded.
    """

    def __init__(self, judge: JudgeModel, protocol: Protocol, prompt: PromptStyle) -> None:
        if judge.model == "recorded":
            raise UsageError(
                "recorded knows the pairs of its file only; the playground makes new ones. Take "
                "another model."
            )
        judge.check(protocol, prompt)
        self.judge = judge
        self.protocol = protocol
        self.prompt = prompt
        self._orders = SingleOrders(judge, protocol, prompt, "playground")
        self._lm = judge.load()
        self._one_at_a_time = threading.Lock()
        self._orders.rehearse(self._lm, [(read_pair("Name a colour.", "", "Red", "Blue"), False)])

    def read(self, pair: Pair, stop: threading.Event | None = None) -> Iterator[Order]:
        """Yield both orders, each as soon as it is read.

        The judge is asked them one by one, so that each has its own time. Texts are shortened as
        if both were asked: the two prompts hold the same.

        Args:
            pair: from `read_pair`.
            stop: ends the reading when it is set: at once with a model in this process, else once
                the order under way is answered.

        Raises:
            Stopped: it was set.
            InputError: a prompt that cannot be made to fit, or a server that answers nothing.
        """
        stop = stop or threading.Event()
        for swapped in (False, True):
            # Let go before each yield: whoever shows the orders may never come back for more.
            with self._one_at_a_time, surviving(self._lm), _stopping(self._lm, stop):
                if stop.is_set():
                    raise Stopped
                (answer,) = self._orders.ask(self._lm, [(pair, swapped)])
            yield Order.of(answer, swapped=swapped)

    def judged(self, pair: Pair) -> Judged:
        """Both orders and what they resolve to."""
        return self.resolve(list(self.read(pair)))

    def resolve(self, orders: Sequence[Order]) -> Judged:
        """What the two orders of a pair resolve to."""
        forward, swapped = orders
        return Judged.of(self.protocol, forward, swapped)


@contextlib.contextmanager
def _stopping(lm: Any, stop: threading.Event) -> Iterator[None]:
    """While open, a model of this process gives up before its next token once `stop` is set."""
    register = getattr(getattr(lm, "model", None), "register_forward_pre_hook", None)
    if register is None:  # a rule, a server, or an engine that is no torch module
        yield
        return

    def look(*_: Any) -> None:
        if stop.is_set():
            raise Stopped

    hook = register(look)
    try:
        yield
    finally:
        hook.remove()


def sentence(error: Exception) -> str:
    """An error in one line; of one that is not ours, what it is goes to the log."""
    if isinstance(error, PandaLMError):
        return " ".join(str(error).split())
    _log.error("The judge failed.", exc_info=error)
    said = " ".join(str(error).split())[:_LONGEST_SENTENCE]
    kind = type(error).__name__
    return f"The judge failed ({kind}{f': {said}' if said else ''}); the terminal has more."
