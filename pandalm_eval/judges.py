"""A judge named in metadata: which model, with which arguments, and how it is made."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pandalm_eval import backends
from pandalm_eval.errors import UsageError
from pandalm_eval.failures import surviving
from pandalm_eval.judgments import Protocol
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.store import stored

_EXAMPLE = (
    '\'{"judge": {"model": "hf-judge", "model_args": {"pretrained": "…"}}}\' '
    '(a search: --judge \'{"model": …, "model_args": {…}}\')'
)
_WITHOUT_WEIGHTS = ("rule", "recorded")


@dataclass(frozen=True, slots=True)
class JudgeModel:
    """A model of the harness's registry (ours are in it) and its arguments."""

    model: str
    arguments: Mapping[str, Any]

    @classmethod
    def read(cls, told: object) -> JudgeModel:
        """The metadata key `judge`: a mapping, or its JSON text.

        Raises:
            UsageError: not of that shape, or an unknown key.
        """
        if isinstance(told, str):
            try:
                told = json.loads(told)
            except ValueError:
                raise UsageError(
                    f"judge={told!r} is no JSON; write --metadata {_EXAMPLE}."
                ) from None
        if not isinstance(told, Mapping) or not isinstance(told.get("model"), str):
            raise UsageError(
                f"the judge is told as a model and its arguments: --metadata {_EXAMPLE}."
            )
        if unknown := sorted(set(told) - {"model", "model_args"}):
            raise UsageError(
                f"judge has unknown keys {', '.join(unknown)}; known are model and model_args."
            )
        arguments = told.get("model_args") or {}
        if isinstance(arguments, str):
            from lm_eval.utils import simple_parse_args_string

            arguments = simple_parse_args_string(arguments)
        return cls(told["model"], dict(arguments))

    @property
    def is_model(self) -> bool:
        """Whether it takes memory: rules and recorded files do not."""
        return self.model not in _WITHOUT_WEIGHTS

    def check(self, protocol: Protocol, prompt: PromptStyle) -> None:
        """Refuse early what the judge cannot do; one without weights is made at once.

        Raises:
            UsageError: a name that is no model, or a model that cannot judge so.
        """
        kind = model_class(self.model, "the judge's model")
        if protocol is Protocol.LOGPROB:
            backends.refuse_unscored(kind)
        if prompt is not PromptStyle.CHAT:
            backends.refuse_bare_text(kind, "prompt=chat")
        if not self.is_model:
            self.load()

    def load(self) -> Any:
        """The judge, ready to answer."""
        kind = model_class(self.model, "the judge's model")
        return kind.create_from_arg_obj(dict(self.arguments), {})

    @contextlib.contextmanager
    def ready(self) -> Iterator[Any]:
        """The judge, loaded: what is in the run's store is not asked again, and a request that
        fails costs its own reading."""
        lm = self.load()
        judge = stored({"model": self.model, "model_args": dict(self.arguments)}, lm)
        with surviving(lm, None if judge is lm else judge):
            yield judge


def model_class(name: str, what: str) -> Any:
    """A model class of the harness's registry, ours among them.

    Raises:
        UsageError: there is none of this name, or its library is not installed.
    """
    from lm_eval.api.registry import get_model

    from pandalm_eval import models

    models.register()
    try:
        return get_model(name)
    except Exception as error:
        raise UsageError(f"{what} {name!r} cannot be had: {error}") from None
