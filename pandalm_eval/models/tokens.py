"""Text to token ids such that the scored tokens are exactly prompt + verdict."""

from __future__ import annotations

from typing import Any

from pandalm_eval.errors import InputError

# What may stand before a continuation while it is encoded: SentencePiece glues a "▁" to a text that
# stands alone, byte-level BPE to one after a space, and what stays apart differs by tokenizer.
_PROBES = ("", "\n", ":", ".", "a", " ")


class Encoder:
    """A tokenizer seen from the two sides a judge needs: prompts, and what follows them."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def prompt(self, text: str) -> list[int]:
        """Return the token ids of a prompt with the tokenizer's own special tokens.

        A rendered chat template that already begins with the beginning-of-sequence token gets
        no second one.
        """
        ids = self._encode(text, special=True)
        bos = self._tokenizer.bos_token_id
        return ids[1:] if bos is not None and ids[:2] == [bos, bos] else ids

    def continuation(self, prompt: str, prompt_ids: list[int], text: str) -> list[int]:
        """Return ids that, after `prompt_ids`, decode to prompt + `text`.

        The prompt is never re-split. What the tokenizer makes of the whole text is taken if that
        leaves the prompt's ids alone, otherwise the first spelling of the continuation that
        decodes to it.

        Raises:
            InputError: the tokenizer cannot write the continuation after this prompt.
        """
        spellings = [_rest(self.prompt(prompt + text), prompt_ids)]
        for probe in _PROBES:
            before = self._encode(probe, special=False)
            spellings.append(_rest(self._encode(probe + text, special=False), before))
        # Compared with the decoded prompt, not the prompt itself: where a tokenizer normalises
        # (NFC, say), the model sees the normalised prompt anyway.
        wanted = self._decode(prompt_ids) + text
        for ids in spellings:
            if ids and self._decode(prompt_ids + ids) == wanted:
                return ids
        raise InputError(
            f"the tokenizer {self._tokenizer.name_or_path} has no tokens for {text!r} after a "
            f"prompt that ends in {prompt[-12:]!r}: no log-probability of that verdict exists. "
            "Use a protocol that generates (verdict, full), or another tokenizer."
        )

    def _encode(self, text: str, *, special: bool) -> list[int]:
        # verbose=False: lengths are checked by the caller, with the document's name.
        encoded = self._tokenizer(text, add_special_tokens=special, verbose=False)
        return list(encoded["input_ids"]) if text or special else []

    def _decode(self, ids: list[int]) -> str:
        decoded = self._tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return str(decoded)


def _rest(ids: list[int], begin: list[int]) -> list[int]:
    """Return what follows `begin` in `ids`; nothing where they do not begin with it."""
    return ids[len(begin) :] if ids[: len(begin)] == begin else []
