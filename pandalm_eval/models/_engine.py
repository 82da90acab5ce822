"""One batch on the device: generate texts, or score continuations."""

from __future__ import annotations

import contextlib
import copy
import inspect
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from pandalm_eval.models._close_calls import CloseCalls
from pandalm_eval.models._decoding import Decoding, RowsStop, thinks_aloud, trim
from pandalm_eval.models._prefill import Prefill
from pandalm_eval.models.text import JudgeText

Score = tuple[float, bool]
"""Natural log-probability of a continuation, and whether each of its tokens is the most likely."""


@dataclass
class Reading:
    """A prompt to be continued; `places` are those of its requests."""

    ids: list[int]
    decoding: Decoding
    places: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Tokens that it keeps in memory."""
        return self.decoding.num_beams * (len(self.ids) + self.decoding.max_new_tokens)


@dataclass(eq=False)
class Scoring:
    """A prompt with all its continuations: token ids → places of the requests."""

    ids: list[int]
    continuations: dict[tuple[int, ...], list[int]] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens that it keeps in memory."""
        return len(self.ids) + max(map(len, self.continuations))


class Engine:
    """A loaded model and its tokenizer.

    `rereads`: whether texts are made again alone where a batch's rounding could turn the verdict.
    """

    def __init__(self, model: Any, tokenizer: Any, *, rereads: bool) -> None:
        self._model = model
        self._tokenizer = tokenizer
        base = model.get_base_model() if hasattr(model, "peft_config") else model
        self._accepted = set(inspect.signature(base.forward).parameters)
        self._prefill = Prefill(model)
        self._rereads = rereads
        eos = base.generation_config.eos_token_id
        eos = tokenizer.eos_token_id if eos is None else eos
        self._eos: list[int] = [] if eos is None else eos if isinstance(eos, list) else [eos]
        pad = tokenizer.pad_token_id
        self._pad: int | None = self._eos[0] if pad is None and self._eos else pad

    @property
    def packs(self) -> bool:
        """Whether the prompts of a batch are read without padding."""
        return self._prefill.works

    @torch.inference_mode()
    def generate(self, batch: list[Reading]) -> list[JudgeText]:
        """Continue prompts that share one decoding."""
        began = time.perf_counter()
        decoding = batch[0].decoding
        input_ids, attention_mask = self._left_padded([reading.ids for reading in batch])
        width = input_ids.shape[1]
        # With beams a row is a hypothesis, not a request, and stopping one would end the others.
        rows_last = decoding.num_beams == 1
        past = self._read_ahead(batch) if rows_last else None
        stops = RowsStop(self._tokenizer, decoding, rows=len(batch), prompt_width=width)
        close = self._close_calls(decoding, len(batch), width)
        made = self._model.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            **{self._prefill.cache_name: past},
            generation_config=decoding.config(
                eos_token_id=self._eos or None, pad_token_id=self._pad
            ),
            stopping_criteria=[stops] if rows_last else None,
            logits_processor=[close] if close else None,
        )
        rows = made[:, width:].tolist()
        seconds = (time.perf_counter() - began) / len(batch)
        texts = [
            self._text(row, stopped, decoding, seconds)
            for row, stopped in zip(rows, stops.stopped, strict=True)
        ]
        for place in sorted(close.rows) if close else ():
            texts[place] = self.generate([batch[place]])[0]
        return texts

    @torch.inference_mode()
    def score(self, batch: list[Scoring]) -> list[dict[tuple[int, ...], Score]]:
        """Score every continuation of every prompt; one pass over the prompts, last logits only."""
        if len(batch) == 1:
            return [self._score_alone(batch[0])]
        past = self._read_ahead(batch)
        input_ids, mask = self._left_padded([scoring.ids for scoring in batch])
        longer = [[ids for ids in scoring.continuations if len(ids) > 1] for scoring in batch]
        rounds = max(map(len, longer))
        left = input_ids if past is None else input_ids[:, -1:]
        output = self._forward(left, mask, keep=1, use_cache=rounds > 0, past=past)
        first = torch.log_softmax(output.logits[:, -1:].float(), dim=-1)
        found = [
            {ids: _read(first[row], ids[:1]) for ids in scoring.continuations}
            for row, scoring in enumerate(batch)
        ]
        for turn in range(rounds):
            # The next longer continuation of every row, () where a row has no more.
            tails = [ids[turn] if turn < len(ids) else () for ids in longer]
            steps = max(map(len, tails)) - 1
            # What fills a short row stands after its tokens, where they cannot see it.
            inputs = [[*tail[:-1], *[0] * steps][:steps] for tail in tails]
            with _lent(output.get(self._prefill.cache_name), steps) as cache:
                extended = self._forward(
                    torch.tensor(inputs, device=self._model.device),
                    torch.cat([mask, mask.new_ones(len(batch), steps)], dim=1),
                    keep=steps,
                    use_cache=True,
                    past=cache,
                )
            logprobs = torch.log_softmax(extended.logits[:, -steps:].float(), dim=-1)
            for row, tail in enumerate(tails):
                if tail:
                    begun, likeliest = found[row][tail]
                    rest, also = _read(logprobs[row], tail[1:])
                    found[row][tail] = (begun + rest, likeliest and also)
        return found

    def _score_alone(self, scoring: Scoring) -> dict[tuple[int, ...], Score]:
        """Score as plain passes over prompt and continuation do.

        Keys and values kept from the prompt would round otherwise, and in bfloat16 two orders often
        mirror each other to the bit, which is a tie only if all of their probabilities do.
        """
        passes: dict[tuple[int, ...], torch.Tensor] = {}
        for *before, _ in scoring.continuations:
            if tuple(before) not in passes:
                ids = torch.tensor([[*scoring.ids, *before]], device=self._model.device)
                keep = 1 + len(before)
                output = self._forward(
                    ids, torch.ones_like(ids), keep=keep, use_cache=False, past=None
                )
                passes[tuple(before)] = torch.log_softmax(output.logits[0, -keep:].float(), dim=-1)
        return {ids: _read(passes[ids[:-1]], ids) for ids in scoring.continuations}

    def _close_calls(self, decoding: Decoding, rows: int, width: int) -> CloseCalls | None:
        """What watches a greedy batch; a single prompt is plain, and thoughts have any length."""
        watched = self._rereads and rows > 1
        if (
            not watched
            or decoding.num_beams > 1
            or decoding.samples
            or thinks_aloud(self._tokenizer)
        ):
            return None
        return CloseCalls(self._tokenizer, self._model.dtype, rows=rows, prompt_width=width)

    def _text(
        self, row: list[int], stopped: int | None, decoding: Decoding, seconds: float
    ) -> JudgeText:
        ids, finish = trim(row, eos=set(self._eos), stopped=stopped)
        whole = self._tokenizer.decode(ids, skip_special_tokens=True)
        text = decoding.cut(whole)
        return JudgeText(
            text,
            finish=finish if text == whole else "stop",
            seconds=seconds,
            new_tokens=len(ids),
        )

    def _read_ahead(self, batch: Sequence[Reading | Scoring]) -> Any:
        """Return keys and values of all but the last token of each prompt.

        None where the model shall read them itself: a single prompt, which then is plain to the
        bit, and a model that cannot.
        """
        prompts = [one.ids[:-1] for one in batch]
        if len(prompts) == 1 or not all(prompts) or not self._prefill.works:
            return None
        return self._prefill(prompts)

    def _optional(self, **arguments: Any) -> dict[str, Any]:
        """Return the arguments that this model takes."""
        return {key: value for key, value in arguments.items() if key in self._accepted}

    def _forward(
        self, input_ids: torch.Tensor, mask: torch.Tensor, *, keep: int, use_cache: bool, past: Any
    ) -> Any:
        """Run the model on (rows, new) ids; `mask` is (rows, all so far)."""
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -input_ids.shape[1] :]
        return self._model(
            input_ids=input_ids,
            attention_mask=mask,
            use_cache=use_cache,
            **{self._prefill.cache_name: past},
            **self._optional(position_ids=positions, logits_to_keep=keep),
        )

    def _left_padded(self, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and attention mask, both (rows, longest).

        A row is padded with its own first token: a repetition penalty looks at all ids of a row,
        masked or not (transformers 5.23 skips padding there, earlier ones do not), and any other
        padding token, often the end of sequence, would be penalised.
        """
        width = max(map(len, rows))
        ids = [row[:1] * (width - len(row)) + row for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        device = self._model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _read(logprobs: torch.Tensor, ids: tuple[int, ...]) -> Score:
    """Read `ids` off the first rows of `logprobs` (steps, vocabulary)."""
    steps = logprobs[: len(ids)]
    wanted = torch.tensor(ids, device=logprobs.device)
    total = steps.gather(1, wanted[:, None]).sum().item()
    return total, bool((steps.argmax(dim=-1) == wanted).all())


@contextlib.contextmanager
def _lent(past: Any, steps: int) -> Iterator[Any]:
    """Lend a prompt's keys and values for `steps` further tokens; they stay as they were."""
    from transformers.cache_utils import DynamicLayer

    # Sliding-window and recurrent layers forget what a crop would have to bring back.
    croppable = all(type(layer) is DynamicLayer for layer in past.layers)
    yield past if croppable else copy.deepcopy(past)
    if croppable:
        past.crop(-steps)
