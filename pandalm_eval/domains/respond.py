"""`pandalm-respond-lsat` and its like: a candidate answers the questions of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pandalm_eval.domains.sources import read_parts
from pandalm_eval.errors import UsageError
from pandalm_eval.instructions import Prompt
from pandalm_eval.respond import Respond


class RespondDomain(Respond):
    """As `Respond`, with the questions of `dataset_kwargs` {source: lsat, pubmedqa or bioasq}."""

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
