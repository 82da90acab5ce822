"""A judge named in metadata: which model, with which arguments, and how it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pandalm_eval.errors import UsageError

_EXAMPLE = '\'{"judge": {"model": "hf-judge", "model_args": {"pretrained": "…"}}}\''
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

    def check(self) -> None:
        """Raise a UsageError for a name that is no model; make a judge without weights at once."""
        from lm_eval.api.registry import get_model

        from pandalm_eval import models

        models.register()
        try:
            get_model(self.model)
        except Exception as error:  # unknown, or its library is not installed
            raise UsageError(f"the judge's model {self.model!r} cannot be had: {error}") from None
        if not self.is_model:
            self.load()

    def load(self) -> Any:
        """The judge, ready to answer."""
        from lm_eval.api.registry import get_model

        from pandalm_eval import models

        models.register()
        made = get_model(self.model).create_from_arg_obj(dict(self.arguments), {})
        return made
