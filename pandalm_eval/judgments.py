"""A judgment: a pair with its readings and what they resolve to.

Readings come from the judge's text (`read_text`) or from its log-likelihoods (`read_logprobs`);
`resolve` makes one verdict of them. `judgments_*.jsonl` holds judgments without any text of a data
set, so that figures can be recomputed from it and it can be published.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.models.text import Finish
from pandalm_eval.records import stream_records
from pandalm_eval.verdicts import LABELS, Invalid, Verdict, parse_verdict


class Protocol(StrEnum):
    """How a pair is read and resolved; figures of different protocols never share a column."""

    FULL = "full"
    """Both orders, the whole text: verdict, reason, reference."""
    SINGLE = "single"
    """One order; text without a verdict counts as tie (upstream's, April 2023)."""
    VERDICT = "verdict"
    """Both orders; generation stops once the verdict stands."""
    LOGPROB = "logprob"
    """Both orders; probabilities of the three verdicts."""

    @property
    def orders(self) -> int:
        """Readings a pair: 1 or 2."""
        return 1 if self is Protocol.SINGLE else 2


Probabilities = tuple[float, float, float]
"""Of first, second, tie; in [0, 1], sum 1; told for the pair's own order."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The judge's answer to one order, told for the pair's own order.

    Attributes:
        verdict: first, second, tie or invalid.
        reason: why it is invalid, else None.
        probabilities: in the log-probability protocol, else None.
        truncated: whether the prompt was shortened to fit the judge's context.
        seconds: time spent on this reading, None where it was not measured.
    """

    verdict: Verdict
    reason: Invalid | None = None
    probabilities: Probabilities | None = None
    truncated: bool = False
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The reading as it stands in samples and judgments files; what it has not is left out."""
        told = {
            "reason": self.reason and self.reason.value,
            "probabilities": self.probabilities and list(self.probabilities),
            "truncated": self.truncated or None,
            "seconds": self.seconds,
        }
        given = {key: value for key, value in told.items() if value is not None}
        return {"verdict": self.verdict.value} | given

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reading:
        """The inverse of `to_json`."""
        probabilities = data.get("probabilities")
        if probabilities and not (
            len(probabilities) == 3 and all(0 <= p <= 1 for p in probabilities)
        ):
            raise ValueError(f"probabilities {probabilities} are not three numbers in [0, 1]")
        seconds = data.get("seconds")
        if seconds is not None and not 0 <= seconds < math.inf:
            raise ValueError(f"seconds {seconds} is no time")
        return cls(
            Verdict(data["verdict"]),
            Invalid(data["reason"]) if data.get("reason") else None,
            (probabilities[0], probabilities[1], probabilities[2]) if probabilities else None,
            bool(data.get("truncated", False)),
            None if seconds is None else float(seconds),
        )


def read_text(
    text: str,
    *,
    swapped: bool,
    truncated: bool = False,
    finish: Finish | None = None,
    seconds: float | None = None,
    thinking_end: str | None = None,
) -> Reading:
    """The reading of a judge's newly generated text."""
    parsed = parse_verdict(text, finish=finish, thinking_end=thinking_end)
    verdict = parsed.verdict.swapped if swapped else parsed.verdict
    return Reading(verdict, parsed.reason, None, truncated, seconds)


def read_logprobs(
    logprobs: Sequence[float],
    *,
    swapped: bool,
    truncated: bool = False,
    seconds: float | None = None,
) -> Reading:
    """The reading of three log-likelihoods, of "1", "2" and "Tie" for the order shown.

    Probabilities are the softmax. NaN or +inf anywhere, or -inf everywhere, is invalid.

    >>> read_logprobs([math.log(0.2), math.log(0.6), math.log(0.2)], swapped=True).verdict
    <Verdict.FIRST: 'first'>
    """
    highest = max(logprobs) if not any(math.isnan(value) for value in logprobs) else math.nan
    if not math.isfinite(highest):
        return Reading(Verdict.INVALID, Invalid.NOT_FINITE, None, truncated, seconds)
    weights = [math.exp(value - highest) for value in logprobs]
    one, two, tie = (weight / math.fsum(weights) for weight in weights)
    probabilities = (two, one, tie) if swapped else (one, two, tie)
    return Reading(decide(probabilities), None, probabilities, truncated, seconds)


_LARGEST = 2**63  # of a whole number in a column
_EQUAL = 1e-9  # first and second nearer than this differ by rounding, not by the judge's opinion


def decide(probabilities: Probabilities) -> Verdict:
    """The likeliest verdict; tie where first and second are equal and not below tie.

    >>> decide((0.4, 0.4, 0.2))
    <Verdict.TIE: 'tie'>
    """
    first, second, tie = probabilities
    if abs(first - second) <= _EQUAL and max(first, second) >= tie:
        return Verdict.TIE
    return LABELS[probabilities.index(max(probabilities))]


def resolve(
    protocol: Protocol, readings: Sequence[Reading]
) -> tuple[Verdict, Probabilities | None]:
    """One verdict from the readings of a pair, and the mean probabilities where there are any.

    Single: the reading, text without a verdict as tie (a failed request is no text). Two orders:
    either invalid is invalid, equal verdicts stand, different ones are a tie. Log-probability:
    decided on the mean over both orders.
    """
    verdicts = [reading.verdict for reading in readings]
    if protocol is Protocol.SINGLE:
        wrote_none = verdicts[0] is Verdict.INVALID and readings[0].reason is not Invalid.ERROR
        return (Verdict.TIE if wrote_none else verdicts[0]), None
    if Verdict.INVALID in verdicts:
        return Verdict.INVALID, None
    if protocol is Protocol.LOGPROB:
        orders = [reading.probabilities for reading in readings if reading.probabilities]
        first, second, tie = (
            math.fsum(values) / len(orders) for values in zip(*orders, strict=True)
        )
        return decide((first, second, tie)), (first, second, tie)
    return (verdicts[0] if len(set(verdicts)) == 1 else Verdict.TIE), None


@dataclass(frozen=True, slots=True)
class Judgment:
    """A pair as judged. Holds no text.

    Attributes:
        index: position in its pair set; figures are computed in this order.
        id, prompt_id, text_hash, model1, model2, gold, annotators: as in `pairs.Pair`.
        length1, length2: characters of the stripped responses.
        readings: forward, and swapped where the protocol has two orders.
        verdict: what they resolve to.
        probabilities: mean over both orders, in the log-probability protocol.
    """

    index: int
    id: str
    prompt_id: str
    text_hash: str
    model1: str | None
    model2: str | None
    gold: Verdict | None
    annotators: tuple[Verdict, ...]
    length1: int
    length2: int
    readings: tuple[Reading, ...]
    verdict: Verdict
    probabilities: Probabilities | None

    def __str__(self) -> str:
        """The verdict: the harness writes this beside each metric key of a sample."""
        return self.verdict.value

    @property
    def correct(self) -> bool:
        """Whether the verdict is the gold label; an invalid one never is."""
        return self.verdict == self.gold

    @classmethod
    def of(
        cls, doc: Mapping[str, Any], protocol: Protocol, readings: Sequence[Reading]
    ) -> Judgment:
        """The judgment of a task's document (see `task.py`) by its readings."""
        verdict, probabilities = resolve(protocol, readings)
        return cls(
            index=_whole(doc["index"]),
            id=str(doc["id"]),
            prompt_id=str(doc["prompt_id"]),
            text_hash=str(doc["text_hash"]),
            model1=_name(doc["model1"]),
            model2=_name(doc["model2"]),
            gold=Verdict(doc["gold"]) if doc["gold"] else None,
            annotators=tuple(Verdict(label) for label in doc["annotators"]),
            length1=len(doc["response1"].strip()),
            length2=len(doc["response2"].strip()),
            readings=tuple(readings),
            verdict=verdict,
            probabilities=probabilities,
        )

    def to_json(self) -> dict[str, Any]:
        """One line of a judgments file, without the fields that name the run."""
        return {
            "index": self.index,
            "id": self.id,
            "prompt_id": self.prompt_id,
            "text_hash": self.text_hash,
            "model1": self.model1,
            "model2": self.model2,
            "gold": self.gold and self.gold.value,
            "annotators": [label.value for label in self.annotators],
            "length1": self.length1,
            "length2": self.length2,
            "readings": [reading.to_json() for reading in self.readings],
            "verdict": self.verdict.value,
            "probabilities": self.probabilities and list(self.probabilities),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], protocol: Protocol) -> Judgment:
        """The inverse of `to_json`; verdict and probabilities are resolved anew, not believed."""
        readings = tuple(Reading.from_json(reading) for reading in data["readings"])
        if len(readings) != protocol.orders:
            raise ValueError(f"{len(readings)} readings, but {protocol} has {protocol.orders}")
        if protocol is Protocol.LOGPROB and any(
            reading.probabilities is None and reading.verdict is not Verdict.INVALID
            for reading in readings
        ):
            raise ValueError("a reading of the logprob protocol has no probabilities")
        verdict, probabilities = resolve(protocol, readings)
        return cls(
            index=_whole(data["index"]),
            id=str(data["id"]),
            prompt_id=str(data["prompt_id"]),
            text_hash=str(data["text_hash"]),
            model1=_name(data.get("model1")),
            model2=_name(data.get("model2")),
            gold=Verdict(data["gold"]) if data.get("gold") else None,
            annotators=tuple(Verdict(label) for label in data.get("annotators", ())),
            length1=_whole(data["length1"]),
            length2=_whole(data["length2"]),
            readings=readings,
            verdict=verdict,
            probabilities=probabilities,
        )


def _whole(told: Any) -> int:
    number = int(told)
    if not -_LARGEST <= number < _LARGEST:
        raise ValueError(f"{number} is no place in a set and no length")
    return number


def _name(told: Any) -> str | None:
    return None if told is None else str(told)


@dataclass(frozen=True, slots=True)
class RunName:
    """What a judgments file repeats on every line, so that files can be concatenated."""

    task: str
    judge: str
    protocol: Protocol
    prompt: str
    decoding: str
    gold_source: str


def stream_judgments(path: Path) -> Iterator[tuple[RunName, Judgment]]:
    """Yield the run and the judgment of each line of a file that `columns.write_judgments` made.

    Pairs may stand there twice; `columns.read_judgments` refuses that.

    Raises:
        InputError: not such a file, or lines of more than one run; names the line.
    """
    run: RunName | None = None
    for number, record in enumerate(stream_records(path), start=1):
        try:
            told = RunName(
                str(record["task"]),
                str(record["judge"]),
                Protocol(record["protocol"]),
                str(record["prompt"]),
                str(record["decoding"]),
                str(record["gold_source"]),
            )
            judgment = Judgment.from_json(record, told.protocol)
        except KeyError as error:
            raise InputError(f"{path}: line {number} has no field {error}.") from None
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise InputError(f"{path}: line {number} is no judgment: {error}.") from None
        if run not in (None, told):
            raise InputError(f"{path}: line {number} belongs to another run than line 1.")
        run = told
        yield told, judgment
