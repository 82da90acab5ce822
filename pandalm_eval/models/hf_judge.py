"""`hf-judge`: a transformers model whose readings are exact.

What it answers is what plain `model.generate` answers to the single prompt, and the tokens that it
scores decode to prompt + verdict. With `batch_size=1` that holds to the bit. Larger batches change
the rounding of matrix products: verdicts that this could turn are read again alone, so that none
depends on the batch, while what is written behind a verdict, and in bfloat16 the probabilities of
the other readings from their second digit on, may differ.
"""

from __future__ import annotations

import difflib
import weakref
from typing import Any

from lm_eval.api.instance import Instance
from tqdm import tqdm

from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.models._batches import Batching, run_fitting
from pandalm_eval.models._close_calls import decided_together, is_close
from pandalm_eval.models._decoding import Decoding
from pandalm_eval.models._engine import Engine, Reading, Score, Scoring
from pandalm_eval.models._processes import SplitLM
from pandalm_eval.models.checkpoint import Checkpoint
from pandalm_eval.models.text import JudgeText
from pandalm_eval.models.tokens import Encoder

Asked = tuple[Scoring, tuple[int, ...]]
"""A prompt, and the token ids of the continuation that a request asks for."""
LIVE: weakref.WeakSet[HFJudge] = weakref.WeakSet()
"""The judges alive in this process: decoding=upstream exists only where there is one."""


class HFJudge(SplitLM):
    """A causal language model as a judge, for the harness's model registry.

    Args:
        pretrained: folder or hub name of the model.
        revision: branch, tag or commit on the hub.
        tokenizer: folder or hub name of another tokenizer than the model's own.
        gguf_file: name of a GGUF file inside `pretrained`.
        peft: folder or hub name of a PEFT adapter.
        dtype: `auto` (as stored), `bfloat16`, `float16`, `float32`.
        device: a torch device; by default the accelerator if there is one, else the CPU.
        batch_size: rows of a batch, or `auto` for as many as fit a budget of tokens.
        max_batch_size: most rows of an `auto` batch.
        max_length: most tokens of prompt and new text; by default the model's own limit.
        trust_remote_code: whether code that comes with the checkpoint may run.
        parallelize: spread one model over all accelerators (`device_map="auto"`).
        exact: read verdicts again alone that the rounding of a batch could turn; without, a judge
            that is often undecided is about twice as fast, and its verdicts vary with the batch.
        name: name to show; by default `pretrained`.

    Raises:
        UsageError: an unknown or malformed argument.
        InputError: a checkpoint that is not there or cannot be loaded.
    """

    def __init__(
        self,
        pretrained: str = "",
        *,
        revision: str | None = None,
        tokenizer: str | None = None,
        gguf_file: str | None = None,
        peft: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        batch_size: int | str | None = 1,
        max_batch_size: int | str = 64,
        max_length: int | str | None = None,
        trust_remote_code: bool | str = False,
        parallelize: bool | str = False,
        exact: bool | str = True,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise _refused(sorted(unknown))
        if not pretrained:
            raise UsageError("--model hf-judge needs --model_args pretrained=FOLDER or OWNER/NAME.")
        super().__init__()
        rows, most_rows = _rows(batch_size), _positive("max_batch_size", max_batch_size)
        self._max_length = None if max_length is None else _positive("max_length", max_length)
        self._checkpoint = Checkpoint(
            pretrained=str(pretrained),
            revision=None if revision is None else str(revision),
            tokenizer=tokenizer,
            gguf_file=gguf_file,
            peft=peft,
            dtype=str(dtype),
            trust_remote_code=_flag("trust_remote_code", trust_remote_code),
        )
        self.name = name or str(pretrained)
        spread = _flag("parallelize", parallelize)
        self._join(device)
        if spread and self.world_size > 1:
            raise UsageError(
                "parallelize=True spreads one model over all accelerators, a launcher with several "
                "processes gives each its own: use one of the two."
            )
        self.tokenizer = self._checkpoint.load_tokenizer()
        self.model = self._checkpoint.load_model(
            device=None if spread else self.device, quiet=self.rank != 0
        )
        self._device = self.model.device
        self._encoder = Encoder(self.tokenizer)
        # A single prompt is plain as it is.
        self._rereads = _flag("exact", exact) and rows != 1
        self._engine = Engine(self.model, self.tokenizer, rereads=self._rereads)
        self._batching = Batching(rows, most_rows, packed=self._engine.packs)
        LIVE.add(self)

    @property
    def max_length(self) -> int:
        """Most tokens of prompt and new text together: the argument, the model's limit, or 2048."""
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return self._max_length or limit or 2048

    @property
    def max_gen_toks(self) -> int:
        """New tokens of a request that names no budget."""
        return 256

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Return the chat template in use, "" for none; a string picks one of several by name.

        Raises:
            InputError: the tokenizer has none.
        """
        if chat_template is False:
            return ""
        try:
            return str(
                self.tokenizer.get_chat_template(None if chat_template is True else chat_template)
            )
        except ValueError as error:
            raise self._without_template(error) from error

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Render messages; without a generation prompt the last message is left open to go on.

        Raises:
            InputError: the tokenizer has no chat template.
        """
        try:
            rendered = self.tokenizer.apply_chat_template(
                chat_history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        except ValueError as error:
            raise self._without_template(error) from error
        return str(rendered)

    def get_model_info(self) -> dict[str, Any]:
        """What the harness writes into the results file, beside the model arguments."""
        return {
            "model_num_parameters": int(self.model.num_parameters()),
            "model_dtype": str(self.model.dtype),
            "model_revision": self._checkpoint.revision or "main",
            "model_sha": getattr(self.model.config, "_commit_hash", None) or "",
            "judge_name": self.name,
        }

    def generate_until(self, requests: list[Instance]) -> list[JudgeText]:
        """Continue prompts; one `JudgeText` per request, in their order.

        Each text is that of `model.generate` on its prompt alone: new tokens only, special tokens
        skipped, cut before the first stop string. Rows stop one by one; with several beams a stop
        string cuts the finished text and ends no beam.

        Raises:
            InputError: an empty prompt, or prompts too long for the model (all are named; none is
                cut, as the head of a judge's prompt is its instruction).
            UsageError: an unknown generation argument.
        """
        readings: dict[tuple[Any, ...], Reading] = {}
        lengths = []
        for place, request in enumerate(requests):
            prompt, arguments = request.args
            decoding = Decoding.from_arguments(arguments, default_budget=self.max_gen_toks)
            # A prompt that is asked for twice is read once, unless its text is drawn.
            key = (prompt, decoding, place if decoding.samples else None)
            reading = readings.get(key)
            if reading is None:
                reading = readings[key] = Reading(self._encoder.prompt(prompt), decoding)
            reading.places.append(place)
            lengths.append(len(reading.ids) + decoding.max_new_tokens)
        self._require_prompts(requests)
        self._require_fit(requests, lengths)
        texts: dict[int, JudgeText] = {}
        with self._progress(len(requests), "generating") as bar:
            for decoding in dict.fromkeys(one.decoding for one in readings.values()):
                same = [one for one in readings.values() if one.decoding == decoding]
                for batch in self._batching.split(same):
                    for reading, text in zip(
                        batch, run_fitting(self._engine.generate, batch), strict=True
                    ):
                        for place in reading.places:
                            texts[place] = text
                            self.cache_hook.add_partial(
                                "generate_until", requests[place].args, text
                            )
                        bar.update(len(reading.places))
        return [texts[place] for place in range(len(requests))]

    def loglikelihood(self, requests: list[Instance]) -> list[Score]:
        """Score continuations: (natural log-probability, whether each token is the most likely).

        In a batch all continuations of one context share a single pass over it; longer ones than a
        token extend its keys and values. A prompt alone is read anew for these. The log-softmax is
        taken in float32. Where rounding in the batch could turn a pair's verdict, or that of one
        order, both are read again alone.

        Raises:
            InputError: an empty context, one too long for the model, or a continuation that the
                tokenizer cannot write after its context.
        """
        self._require_prompts(requests)
        prompts: dict[str, Scoring] = {}
        asked: list[Asked] = []
        lengths = []
        for place, request in enumerate(requests):
            context, continuation = request.args
            scoring = prompts.get(context)
            if scoring is None:
                scoring = prompts[context] = Scoring(self._encoder.prompt(context))
            ids = tuple(self._encoder.continuation(context, scoring.ids, continuation))
            scoring.continuations.setdefault(ids, []).append(place)
            asked.append((scoring, ids))
            lengths.append(len(scoring.ids) + len(ids) - 1)  # the last token is never an input
        self._require_fit(requests, lengths)
        together = {place: group for group in decided_together(requests) for place in group}
        scores: dict[int, Score] = {}
        with self._progress(len(requests), "scoring") as bar:
            for batch in self._batching.split(list(prompts.values())):
                new: list[int] = []
                for scoring, found in zip(
                    batch, run_fitting(self._engine.score, batch), strict=True
                ):
                    for ids, places in scoring.continuations.items():
                        scores.update(dict.fromkeys(places, found[ids]))
                        new += places
                for group in dict.fromkeys(together[place] for place in new):
                    if not all(place in scores for place in group):
                        continue  # the other order comes in a later batch
                    self._settle(group, asked, scores)
                    for place in group:
                        self.cache_hook.add_partial(
                            "loglikelihood", requests[place].args, scores[place]
                        )
                    bar.update(len(group))
        return [scores[place] for place in range(len(requests))]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not offered.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "hf-judge scores verdicts after prompts, not whole texts; for perplexity use `hf`."
        )

    def _settle(self, group: tuple[int, ...], asked: list[Asked], scores: dict[int, Score]) -> None:
        """Read both orders of a pair again, each alone, where rounding could turn a verdict."""
        prompts = dict.fromkeys(asked[place][0] for place in group)
        # Identical responses make one prompt of both orders, and are a tie however it is rounded.
        if not self._rereads or len(prompts) < 2:
            return
        if is_close([scores[place][0] for place in group], self.model.dtype):
            alone = {scoring: self._engine.score([scoring])[0] for scoring in prompts}
            scores.update({place: alone[asked[place][0]][asked[place][1]] for place in group})

    def _progress(self, total: int, what: str) -> tqdm[Any]:
        return tqdm(total=total, desc=f"{self.name}: {what}", disable=self.rank != 0)

    def _require_prompts(self, requests: list[Instance]) -> None:
        empty = [_named(request) for request in requests if not request.args[0]]
        if empty:
            raise InputError(f"empty prompt in {listing(empty)}: a judge needs a text to judge.")

    def _require_fit(self, requests: list[Instance], lengths: list[int]) -> None:
        """Refuse what is longer than the model reads, naming every document once."""
        long = {
            f"{_named(request)} ({length} tokens)": None
            for request, length in zip(requests, lengths, strict=True)
            if length > self.max_length
        }
        if long:
            raise InputError(
                f"prompt and new tokens exceed max_length={self.max_length} of {self.name}: "
                f"{listing(long)}. Use fewer new tokens, leave these out, or pass a larger "
                "max_length if the model allows it."
            )

    def _without_template(self, error: Exception) -> InputError:
        return InputError(
            f"the tokenizer of {self.name} cannot render chat messages: use prompt=pandalm, or "
            f"pass tokenizer=FOLDER with a chat template. transformers said: {error}"
        )


def _named(request: Instance) -> str:
    own = {key: request.doc[key] for key in ("idx", "id") if key in (request.doc or {})}
    known = ", ".join(f"{key} {value}" for key, value in own.items())
    return f"{request.task_name or 'document'} {request.doc_id}{f' ({known})' if known else ''}"


def _refused(unknown: list[str]) -> UsageError:
    known = [name for name in HFJudge.__init__.__annotations__ if name not in ("unknown", "return")]
    near = {name: difflib.get_close_matches(name, known, n=1) for name in unknown}
    named = [f"{name}{f' (did you mean {hit[0]}?)' if hit else ''}" for name, hit in near.items()]
    return UsageError(f"hf-judge has no argument {', '.join(named)}. It takes {', '.join(known)}.")


def _positive(argument: str, value: int | str) -> int:
    if str(value).isdecimal() and int(value) > 0:
        return int(value)
    raise UsageError(f"{argument}={value}: use a positive whole number.")


def _rows(value: int | str | None) -> int | None:
    """Return the rows of a batch; None for `auto`, which the harness also writes `auto:N`."""
    if str(value).split(":")[0] == "auto":
        return None
    return _positive("batch_size", 1 if value is None else value)


def _flag(argument: str, value: bool | str) -> bool:
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise UsageError(f"{argument}={value}: use True or False.")
