"""How long a prompt the judge can read, and how its tokens are counted.

A task never receives the model object, but the model's arguments arrive in its metadata. From them
come the context length and the tokenizer; both are looked up only when a prompt is long enough for
the answer to matter.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pandalm_eval.fitting import BYTES_PER_TOKEN, Budget, estimate_tokens

_log = logging.getLogger(__name__)

DEFAULT_LENGTH = 2048
"""Tokens, where the judge tells nothing: PandaLM-7B's context, and the harness's own default."""

_LENGTH_ARGUMENTS = ("max_length", "max_model_len", "max_seq_len", "context_length")
_LENGTH_FIELDS = ("n_positions", "max_position_embeddings", "n_ctx", "max_sequence_length")
_JUDGE_ARGUMENTS = ("pretrained", "model", "tokenizer", "base_url", *_LENGTH_ARGUMENTS)


class Context:
    """The judge's context, from the model arguments of a run."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments

    @property
    def is_limited(self) -> bool:
        """Whether a language model reads the prompts; rules and recorded files read pairs."""
        return any(key in self._arguments for key in _JUDGE_ARGUMENTS)

    def budget(self, new_tokens: int) -> Budget:
        """Tokens left for a prompt when `new_tokens` are to be generated."""
        return Budget(max(self.length - new_tokens, 1), self.count)

    @cached_property
    def length(self) -> int:
        """Context in tokens: the model's argument, else its configuration, else 2048."""
        for key in _LENGTH_ARGUMENTS:
            if self._arguments.get(key):
                return int(self._arguments[key])
        for field in _LENGTH_FIELDS:
            if isinstance(found := getattr(self._config, field, None), int):
                return found
        told = getattr(self.tokenizer, "model_max_length", None)
        if isinstance(told, int) and told < 10**9:  # transformers writes 10**30 for "unknown"
            return told
        _log.info("The judge's context is unknown; %d tokens are assumed.", DEFAULT_LENGTH)
        return DEFAULT_LENGTH

    def count(self, prompt: str) -> int:
        """Tokens of a prompt, special ones included; by estimate where no tokenizer can be had."""
        if self.tokenizer is None:
            return estimate_tokens(prompt)
        return len(self.tokenizer(prompt)["input_ids"])

    def used_up(self, text: str, budget: int) -> bool:
        """Whether a text is as long as the new-token budget, so that it was probably cut off.

        For backends that do not say why they ended. False where no tokenizer can be had.
        """
        if len(text) < budget or not self.is_limited or self.tokenizer is None:
            return False
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"]) >= budget

    @cached_property
    def tokenizer(self) -> Any | None:
        """The judge's tokenizer (transformers), None where it cannot be had."""
        name = self._arguments.get("tokenizer") or self._arguments.get("pretrained")
        if not isinstance(name, str):
            _log.info("No tokenizer is known; a token is taken for %d bytes.", BYTES_PER_TOKEN)
            return None
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(name, **self._loading)
        except Exception as error:
            _log.warning(
                "The tokenizer %s cannot be loaded (%s); prompt lengths are estimated at one token "
                "for %d bytes.",
                name,
                type(error).__name__,
                BYTES_PER_TOKEN,
            )
            return None

    @cached_property
    def _config(self) -> Any | None:
        name = self._arguments.get("pretrained")
        if not isinstance(name, str):
            return None
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(name, **self._loading)
        except Exception:  # the tokenizer's own message, or the stated default, follows
            return None

    @property
    def _loading(self) -> dict[str, Any]:
        known = ("revision", "gguf_file", "trust_remote_code", "subfolder")
        return {key: self._arguments[key] for key in known if self._arguments.get(key)}


def splits_prompt(tokenizer: Any, prompt: str, continuation: str) -> bool:
    """Whether the harness's stock log-likelihood would score other tokens than the prompt's own.

    It moves trailing whitespace of the prompt into the continuation and takes the prompt's tokens
    from the rest. Where the tokenizer joins that whitespace to the text before it (":\\n" as one
    token), the tokens it scores are not those of prompt + continuation.
    """
    head = prompt.rstrip()
    whole = tokenizer(prompt + continuation)["input_ids"]
    start = tokenizer(head)["input_ids"]
    return bool(whole[: len(start)] != start)
