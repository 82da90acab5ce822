"""The requests that the judge gets for a pair: its prompt in each order, fitted to the context."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lm_eval.api.instance import Instance

from pandalm_eval import backends
from pandalm_eval.context import Context, splits_prompt
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.fitting import Shorten, fit
from pandalm_eval.judgments import Protocol
from pandalm_eval.prompts import Fields, PromptStyle, render
from pandalm_eval.settings import Decoding, Settings
from pandalm_eval.verdicts import LABELS, TARGETS

_log = logging.getLogger(__name__)

_UPSTREAM = {"num_beams": 4, "early_stopping": True, "repetition_penalty": 1.2}
_NEW_TOKENS = {Protocol.FULL: 512, Protocol.SINGLE: 512, Protocol.VERDICT: 8}
_SCORED_TOKENS = 8  # room for the longest verdict in the log-probability protocol
_BUDGETS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")

_SHORTENED = {
    Shorten.RESPONSES: "responses were shortened evenly",
    Shorten.INPUT: "inputs were shortened at the end, and where that was not enough the rest",
}

BuildPrompt = Callable[[Fields], Any]
"""From the fields of an order to its whole prompt: text, or a chat API's messages."""


def generation_arguments(settings: Settings, *, settles: bool = False) -> dict[str, Any]:
    """What the backend is asked for: greedy and neutral, or upstream's own.

    `settles`: whether it can stop once the first line can no longer become a verdict.
    """
    stops = ["\n"] if settings.protocol is Protocol.VERDICT else []
    arguments = {
        "until": stops,
        "max_gen_toks": _NEW_TOKENS[settings.protocol],
        "do_sample": False,
    }
    if settles and settings.protocol is Protocol.VERDICT:
        arguments["until_settled"] = True
    return arguments | (_UPSTREAM if settings.decoding is Decoding.UPSTREAM else {})


class OrderRequests:
    """Builds requests for one task under its settings."""

    def __init__(self, task: str, settings: Settings, context: Context, shorten: Shorten) -> None:
        self._task = task
        self._settings = settings
        self._context = context
        self._shorten = shorten

    def prompt_builder(self, system: str | None, chat_template: Any | None) -> BuildPrompt:
        """How the prompt of an order is built, with a system text and a chat template if any."""
        return partial(_whole_prompt, self._settings.prompt, system, chat_template)

    def build(
        self,
        doc: Mapping[str, Any],
        prompt: BuildPrompt,
        generation: Mapping[str, Any],
        metadata: Any,
    ) -> list[Instance]:
        """One request an order; three an order where verdicts are scored. idx 0 is forward."""
        fields, truncated = fields_of(doc), False
        if self._context.is_limited:
            fields, truncated = self._fit(doc, fields, prompt, generation)
        shared = {"doc": dict(doc), "metadata": metadata}
        orders = [fields, fields.swapped()][: self._settings.protocol.orders]
        prompts = [prompt(order) for order in orders]
        if self._settings.protocol is Protocol.LOGPROB:
            requests = [
                Instance("loglikelihood", arguments=(prompt, TARGETS[label]), idx=i, **shared)
                for i, (prompt, label) in enumerate((p, v) for p in prompts for v in LABELS)
            ]
        else:
            requests = [
                Instance("generate_until", arguments=(prompt, dict(generation)), idx=i, **shared)
                for i, prompt in enumerate(prompts)
            ]
        for request in requests:
            request.truncated = truncated
        return requests

    def _fit(
        self,
        doc: Mapping[str, Any],
        fields: Fields,
        prompt: BuildPrompt,
        generation: Mapping[str, Any],
    ) -> tuple[Fields, bool]:
        given = [int(generation[key]) for key in _BUDGETS if generation.get(key)]
        new_tokens = given[0] if given else _SCORED_TOKENS
        budget = self._context.budget(new_tokens)

        def build(candidate: Fields) -> str:
            return as_text(prompt(candidate))

        fitted, truncated = fit(fields, build, budget, self._shorten)
        if truncated and not budget.holds(build(fitted)):
            raise InputError(
                f"{self._task}: the judge's context of {self._context.length} tokens less "
                f"{new_tokens} new tokens does not even hold the template of pair {doc['id']}. "
                "Lower max_gen_toks, or raise max_length in --model_args if the judge can read "
                "more."
            )
        return fitted, truncated

    def refuse_split_prompts(self, requests: Sequence[Instance]) -> None:
        """Raise a UsageError where the stock path would score other tokens than the prompt's."""
        if backends.hf_judge_is_live() or not self._context.is_limited:
            return
        tokenizer = self._context.tokenizer
        if tokenizer is None:
            _log.warning(
                "%s: without the judge's tokenizer it cannot be checked that the backend scores "
                "the prompt's own tokens; hf-judge does.",
                self._task,
            )
            return
        for request in requests[:6]:
            text, continuation = request.args
            if splits_prompt(tokenizer, as_text(text), continuation):
                raise UsageError(
                    f"{self._task}: the stock log-likelihood path would score other tokens "
                    f"than the prompt's own with the tokenizer {tokenizer.name_or_path}, because "
                    "it moves the prompt's last newline into the verdict. Use --model hf-judge "
                    "(pandalm-eval run), or the verdict protocol."
                )

    def report_shortened(self, requests: Sequence[Instance]) -> None:
        """Say how many prompts were longer than the judge's context."""
        shortened = sum(request.truncated for request in requests)
        if shortened:
            _log.warning(
                "%s: %d of %d prompts were longer than the judge's context of %d tokens; their "
                "%s (truncated_rate).",
                self._task,
                shortened,
                len(requests),
                self._context.length,
                _SHORTENED[self._shorten],
            )


def fields_of(doc: Mapping[str, Any]) -> Fields:
    """Clean texts of a document."""
    return Fields.clean(doc["instruction"], doc["input"], doc["response1"], doc["response2"])


def _whole_prompt(
    style: PromptStyle,
    system: str | None,
    chat_template: Callable[..., Any] | None,
    fields: Fields,
) -> Any:
    """The text, or a chat API's messages, of one order."""
    prompt = render(style, fields)
    if chat_template is None:
        return f"{system}\n\n{prompt}" if system else prompt
    messages = [{"role": "system", "content": system}] if system else []
    return chat_template([*messages, {"role": "user", "content": prompt}])


def as_text(prompt: Any) -> str:
    """A prompt as text; chat APIs get messages as JSON in a wrapper of the harness."""
    return prompt if isinstance(prompt, str) else str(prompt.prompt)
