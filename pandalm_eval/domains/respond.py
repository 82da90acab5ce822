"""`pandalm-respond-lsat` and its like: a candidate answers the questions of a source."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pandalm_eval.domains.sources import read_parts
from pandalm_eval.errors import UsageError
from pandalm_eval.fitting import shorten_input
from pandalm_eval.instructions import Prompt
from pandalm_eval.order_requests import as_text
from pandalm_eval.respond import Respond

_log = logging.getLogger(__name__)


class RespondDomain(Respond):
    """As `Respond`, with the questions of `dataset_kwargs` {source: lsat, pubmedqa or bioasq}.

    A passage that does not fit the candidate's context beside the question and the answer is
    shortened at its end; samples keep the whole one, which responses are matched by.
    """

    _shortened = 0

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = dict(config or {})
        self._source = str(given["dataset_kwargs"]["source"])
        super().__init__(given)

    def _read_prompts(self) -> list[Prompt]:
        if self.settings.instructions is not None:
            raise UsageError(
                f"{self.config.task} asks the questions of {self._source}; for prompts of your own "
                "run pandalm-respond with instructions=FILE."
            )
        parts = read_parts(self._source, self.settings.data_dir)
        return list(dict.fromkeys(question.prompt for part in parts for question in part))

    def build_all_requests(self, **arguments: Any) -> None:
        """As ever, and say how many passages were too long."""
        self._shortened = 0
        super().build_all_requests(**arguments)
        if self._shortened:
            _log.warning(
                "%s: %d prompts were longer than the candidate's context of %d tokens; their "
                "inputs were shortened at the end.",
                self.config.task,
                self._shortened,
                self._context.length,
            )

    def fewshot_context(self, doc: Mapping[str, Any], *positional: Any, **named: Any) -> Any:
        """The whole prompt, its input shortened where it would not fit."""

        def built(input: str) -> Any:
            told = {**doc, "input": input}
            return super(RespondDomain, self).fewshot_context(told, *positional, **named)

        whole = built(doc["input"])
        if not self._context.is_limited:
            return whole
        budget = self._context.budget(int(self.config.generation_kwargs["max_gen_toks"]))
        if budget.holds(as_text(whole)):
            return whole
        self._shortened += 1
        return built(shorten_input(doc["input"], lambda text: budget.holds(as_text(built(text)))))
