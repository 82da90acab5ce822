"""The texts of a run's judgments, from its samples: what was judged, the prompts, the replies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandalm_eval.judgments import Protocol
from pandalm_eval.records import stream_records
from pandalm_eval.results import Run, results_beside, samples_beside


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one judgment.

    Attributes:
        instruction, input, response1, response2: of the pair, as its set has them.
        prompts: exactly what the judge read, forward and swapped; empty where not recorded.
        replies: what it wrote, likewise; empty where it was scored and wrote nothing.
    """

    instruction: str
    input: str
    response1: str
    response2: str
    prompts: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()


def texts_of(run: Run) -> Iterator[Texts] | None:
    """The texts of `run.judgments`, in their order; None where no samples are at hand."""
    path = _samples(run)
    if path is None:
        return None
    return (_texts(sample, run.name.protocol) for sample in stream_records(path))


def _samples(run: Run) -> Path | None:
    if run.judgments is None or run.path.name.startswith("judgments_"):
        return None
    results = results_beside(run.path) if run.path.name.startswith("samples_") else run.path
    return samples_beside(results, run.name.task)


def _texts(sample: Mapping[str, Any], protocol: Protocol) -> Texts:
    """Of a line that `readings.judge_sample` has read already."""
    told = json.loads(sample["filtered_resps"][0])
    if "pair" in told:  # a candidate's run: the requests of its judge are not in its samples
        return _of(told["pair"])
    asked = 3 if protocol is Protocol.LOGPROB else 1
    arguments = list((sample.get("arguments") or {}).values())
    prompts = tuple(_prompt(one.get("arg_0")) for one in arguments[::asked])
    replies = tuple(str(answers[0]) for answers in sample.get("resps") or () if answers)
    return _of(sample["doc"], prompts, () if protocol is Protocol.LOGPROB else replies)


def _of(doc: Mapping[str, Any], *rest: tuple[str, ...]) -> Texts:
    one, two, three, four = (
        str(doc[name]) for name in ("instruction", "input", "response1", "response2")
    )
    return Texts(one, two, three, four, *rest)


def _prompt(told: Any) -> str:
    """A text as it is; the messages of a chat, which the harness keeps as JSON in a list."""
    if isinstance(told, list) and len(told) == 1 and isinstance(told[0], str):
        told = told[0]
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False, indent=1)
