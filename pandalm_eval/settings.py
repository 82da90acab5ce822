"""Settings of a run: our `--metadata` keys, read and checked in one place.

The harness merges model arguments and `--metadata` into one mapping, so a key that is not ours may
be a model's. A key that is nearly one of ours and no known model argument is a typing error.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pandalm_eval.errors import UsageError
from pandalm_eval.judgments import Protocol
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.task_keys import say_untaken

KEYS = {
    "protocol": "full, single, verdict or logprob",
    "prompt": "pandalm (upstream's, the default) or chat (with --apply_chat_template)",
    "decoding": "greedy (default) or upstream (4 beams, repetition penalty 1.2; hf-judge only)",
    "gold": "human (default), gpt-3.5-turbo, or a file of {idx or id, label}",
    "data_dir": "the data folder; else PANDALM_DATA, else a cache folder",
    "pairs": "the pair file of pandalm-pairs",
    "responses": "response files of candidates",
    "baseline": "the candidate that the others are compared with",
    "judge": "the judge of a run whose --model is a candidate",
    "instructions": "a file of prompts to answer",
    "labels": "a file of human labels",
    "join": "exact (default) or intersection",
}
"""Every metadata key of ours, with what it takes."""

# Arguments of the harness's models and of its own tasks' metadata that resemble one of our keys.
_MODEL_ARGUMENTS = frozenset(
    {"model", "path", "name", "base_url", "delta", "peft", "device", "dtype", "data_parallel_size"}
)


class Join(StrEnum):
    """What to do with prompts that not every candidate has answered."""

    EXACT = "exact"
    """Refuse."""
    INTERSECTION = "intersection"
    """Leave them out, and say how many."""


class Decoding(StrEnum):
    """How the judge's text is generated."""

    GREEDY = "greedy"
    UPSTREAM = "upstream"


HUMAN = "human"
GPT = "gpt-3.5-turbo"

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a task was asked to do.

    Attributes:
        protocol, prompt, decoding: see their enumerations.
        gold: `human`, `gpt-3.5-turbo` or a file's path.
        data_dir: data folder, None for the default.
        pairs: pair file of `pandalm-pairs`.
        instructions: file of prompts to answer, None for the PandaLM test set's.
        responses, baseline: response files as given (`responses.read_candidates`); a baseline may
            also be the name of a candidate.
        judge: {model, model_args} of the judge of a candidate's run.
        labels: file of human labels.
        join: `exact` or `intersection`.
    """

    protocol: Protocol
    prompt: PromptStyle
    decoding: Decoding
    gold: str
    data_dir: str | None
    pairs: str | None
    instructions: str | None = None
    responses: Any = None
    baseline: Any = None
    judge: Any = None
    labels: str | None = None
    join: Join = Join.EXACT

    @classmethod
    def read(
        cls, task: str, metadata: Mapping[str, Any], protocol: str, *, fixed: bool
    ) -> Settings:
        """Settings of one task.

        Args:
            task: its name, for messages.
            metadata: the harness's mapping: ours, the model's and the YAML's.
            protocol: the task's own.
            fixed: whether the task's name promises that protocol.

        Raises:
            UsageError: mistyped key, unknown value, or a protocol that the task's name excludes.
        """
        check_keys(metadata)
        say_untaken(task, metadata)
        asked = _choice(Protocol, "protocol", metadata.get("protocol", protocol))
        if fixed and asked != protocol:
            raise UsageError(
                f"{task} always runs the {protocol} protocol, but --metadata has protocol={asked}. "
                f"Leave the key out, or run pandalm_human with protocol={asked}."
            )
        settings = cls(
            protocol=asked,
            prompt=_choice(PromptStyle, "prompt", metadata.get("prompt", PromptStyle.PANDALM)),
            decoding=_choice(Decoding, "decoding", metadata.get("decoding", Decoding.GREEDY)),
            gold=_text("gold", metadata.get("gold")) or HUMAN,
            data_dir=_text("data_dir", metadata.get("data_dir")),
            pairs=_text("pairs", metadata.get("pairs")),
            instructions=_text("instructions", metadata.get("instructions")),
            responses=metadata.get("responses"),
            baseline=metadata.get("baseline"),
            judge=metadata.get("judge"),
            labels=_text("labels", metadata.get("labels")),
            join=_choice(Join, "join", metadata.get("join", Join.EXACT)),
        )
        if asked is Protocol.LOGPROB and settings.decoding is Decoding.UPSTREAM:
            raise UsageError(
                f"{task}: decoding=upstream generates text, but the logprob protocol generates "
                "none. Leave decoding out, or choose another protocol."
            )
        return settings


def check_keys(metadata: Mapping[str, Any]) -> None:
    """Raise a UsageError that names every key which is nearly one of ours, and the right one."""
    wrong = []
    for key in metadata:
        if key in KEYS or key in _MODEL_ARGUMENTS:
            continue
        if near := difflib.get_close_matches(key.lower().replace("-", "_"), KEYS, n=1, cutoff=0.75):
            wrong.append(f"{key!r} (did you mean {near[0]!r}?)")
    if wrong:
        raise UsageError(
            f"unknown metadata key {', '.join(wrong)}. Our keys are {', '.join(KEYS)}."
        )


def _choice(kind: type[_Choice], key: str, value: object) -> _Choice:
    try:
        return kind(str(value))
    except ValueError:
        known = ", ".join(kind)
        raise UsageError(f"unknown {key} {str(value)!r}; known are {known}.") from None


def _text(key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise UsageError(f"metadata key {key} must be a text ({KEYS[key]}), not {value!r}.")
    return value
