"""The pairwise-judge task type: the one module that knows the harness's task interface.

record → pair → prompt (both orders) → judge's text → reading → judgment → metric. A document is a
pair; it emits one request an order (three an order in the log-probability protocol). The harness's
filter step turns what the judge returned into a reading, `process_results` makes the judgment of
it, and the aggregations see judgments only. All state stands in documents and requests, so that the
task works under every way in which the harness splits documents over processes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from pandalm_eval import __version__, backends
from pandalm_eval.context import Context, splits_prompt
from pandalm_eval.data import locate
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.fitting import fit
from pandalm_eval.gold import GPT_LABELS, with_gold
from pandalm_eval.human import TEST_SET, read_test_set
from pandalm_eval.judgments import Judgment, Protocol, Reading, read_text
from pandalm_eval.metrics import (
    SUFFIXES,
    keys_for,
    metrics_for,
    printable,
    summarise,
)
from pandalm_eval.pairs import Pair, read_pairs
from pandalm_eval.prompts import Fields, PromptStyle, render
from pandalm_eval.readings import judge
from pandalm_eval.settings import GPT, HUMAN, Decoding, Settings
from pandalm_eval.verdicts import LABELS, TARGETS
from pandalm_eval.version import commit

_log = logging.getLogger(__name__)

_UPSTREAM = {"num_beams": 4, "early_stopping": True, "repetition_penalty": 1.2}
_NEW_TOKENS = {Protocol.FULL: 512, Protocol.SINGLE: 512, Protocol.VERDICT: 8}
_SCORED_TOKENS = 8  # room for the longest verdict in the log-probability protocol

LOADED: dict[str, frozenset[str]] = {}
"""Ids of the whole pair set by task name: a recorded judge checks its file against it, whatever
part of the set a limit or a rank leaves to it."""


class PairwiseJudge(ConfigurableTask):
    """A judge reads pairs of responses and is compared with gold labels.

    YAML: `class: !function pandalm_eval.task.PairwiseJudge`, with `dataset_kwargs` {source: human
    or pairs, protocol: the default one, fixed: whether the name promises it}. Settings of a run
    come by `--metadata` (`settings.py`).

    Raises:
        UsageError, InputError: from the constructor, before any request is built.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = dict(config or {})
        given.pop("class", None)  # TaskConfig refuses it
        self._source = dict(given.get("dataset_kwargs") or {})
        metadata = dict(given.get("metadata") or {})
        self.settings = Settings.read(
            given["task"],
            metadata,
            self._source["protocol"],
            fixed=bool(self._source.get("fixed", False)),
        )
        self._context = Context(metadata)
        self._thinking_end = metadata.get("think_end_token")
        given["metadata"] = metadata | {
            "protocol": self.settings.protocol.value,
            "prompt": self.settings.prompt.value,
            "decoding": self.settings.decoding.value,
            "gold": self.settings.gold,
            "pandalm_eval_version": __version__,
            "pandalm_eval_commit": commit(),
        }
        scores = self.settings.protocol is Protocol.LOGPROB
        settles = backends.hf_judge_is_live() and self._thinking_end is None
        given |= {
            "output_type": "loglikelihood" if scores else "generate_until",
            "generation_kwargs": None
            if scores
            else generation_arguments(self.settings, settles=settles),
            "test_split": "test",
            "num_fewshot": 0,  # upstream's template has no examples; 0 here overrides --num_fewshot
        }
        super().__init__(config=given)
        self._declare_metrics()

    # Documents ---------------------------------------------------------------------------------

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Read the pairs and make documents of them; called by the harness's constructor."""
        import datasets

        if self.settings.decoding is Decoding.UPSTREAM and not backends.hf_judge_is_live():
            raise UsageError(backends.UPSTREAM_NEEDS_HF_JUDGE)
        task = str(self.config.task)
        whole = self._read_pairs()
        LOADED[task] = frozenset(pair.id for pair in whole)
        pairs, left_out = _labelled(whole)
        if left_out:
            _log.warning(
                "%s: %d of %d pairs have no label under gold=%s and are left out.",
                task,
                left_out,
                left_out + len(pairs),
                self.settings.gold,
            )
        self.config.metadata["left_out"] = left_out
        self.has_gold = pairs[0].gold is not None
        documents = [document(index, pair) for index, pair in enumerate(pairs)]
        self.dataset = {"test": datasets.Dataset.from_list(documents)}

    def _read_pairs(self) -> list[Pair]:
        settings = self.settings
        if self._source["source"] == "human":
            pairs = read_test_set(locate(TEST_SET, settings.data_dir))
            if settings.gold == HUMAN:
                return pairs
            if settings.gold == GPT:
                return with_gold(pairs, locate(GPT_LABELS, settings.data_dir))
        else:
            if settings.pairs is None:
                raise UsageError(
                    f"{self.config.task} needs a pair file: add --metadata pairs=FILE (JSON list "
                    "or JSONL of instruction, input, response1, response2, label)."
                )
            pairs = read_pairs(Path(settings.pairs).expanduser())
            if settings.gold == HUMAN:
                return pairs
            if settings.gold == GPT:
                raise UsageError(
                    f"gold={GPT} belongs to the PandaLM test set; {self.config.task} takes the "
                    "labels of its pair file, or gold=FILE."
                )
        path = Path(settings.gold).expanduser()
        if not path.exists():
            raise UsageError(f"unknown gold {settings.gold!r}; known are {HUMAN}, {GPT} or a file.")
        return with_gold(pairs, path)

    def fewshot_docs(self) -> None:
        """None: there are no examples to sample from."""
        return

    def doc_to_text(self, doc: Mapping[str, Any], *_: Any) -> str:
        """The prompt in the pair's own order, before any shortening."""
        return render(self.settings.prompt, fields_of(doc))

    def doc_to_target(self, doc: Mapping[str, Any], *_: Any) -> str:
        """What a judge that agrees with gold would write first; empty without gold."""
        return next((TARGETS[label] for label in LABELS if label == doc["gold"]), "")

    # Requests ----------------------------------------------------------------------------------

    def build_all_requests(
        self,
        *,
        rank: int = 0,
        world_size: int = 1,
        cache_requests: bool = False,
        apply_chat_template: bool = False,
        chat_template: Callable[..., Any] | None = None,
        **arguments: Any,
    ) -> None:
        """Check what only the run knows, then build the requests of this rank's documents."""
        if self.settings.prompt is PromptStyle.CHAT and not apply_chat_template:
            raise UsageError(
                "prompt=chat needs --apply_chat_template: it is a message to a chat model."
            )
        if self.settings.protocol is Protocol.LOGPROB and chat_template is not None:
            backends.refuse_unscored(type(getattr(chat_template, "__self__", None)))
        part = {key: arguments.get(key) for key in ("limit", "samples")}
        count = sum(1 for _ in self.doc_iterator(**part))
        if count < world_size:
            raise UsageError(
                f"{self.config.task}: {count} documents cannot be split over {world_size} "
                f"processes; start at most {count}, or raise --limit."
            )
        if cache_requests:
            _log.warning(
                "--cache_requests is ignored for %s: its key does not hold prompt, decoding or "
                "context, and our requests are cheap to build.",
                self.config.task,
            )
        super().build_all_requests(
            rank=rank,
            world_size=world_size,
            cache_requests=False,
            apply_chat_template=apply_chat_template,
            chat_template=chat_template,
            **arguments,
        )
        if self.settings.protocol is Protocol.LOGPROB:
            self._refuse_split_prompts()
        self._report_shortened()

    def fewshot_context(
        self,
        doc: Mapping[str, Any],
        num_fewshot: int = 0,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., Any] | None = None,
        gen_prefix: str | None = None,
    ) -> Callable[[Fields], Any]:
        """How the prompt of an order is built from its fields, for `construct_requests`."""
        return partial(
            _whole_prompt,
            self.settings.prompt,
            system_instruction,
            chat_template if apply_chat_template else None,
        )

    def construct_requests(
        self, doc: Mapping[str, Any], ctx: Callable[[Fields], Any], **arguments: Any
    ) -> list[Instance]:
        """One request an order; three an order where verdicts are scored. idx 0 is forward."""
        fields, truncated = fields_of(doc), False
        if self._context.is_limited:
            fields, truncated = self._fit(doc, fields, ctx)
        shared = {"doc": dict(doc), "metadata": arguments["metadata"]}
        orders = [fields, fields.swapped()][: self.settings.protocol.orders]
        prompts = [ctx(order) for order in orders]
        if self.settings.protocol is Protocol.LOGPROB:
            requests = [
                Instance("loglikelihood", arguments=(prompt, TARGETS[label]), idx=i, **shared)
                for i, (prompt, label) in enumerate((p, v) for p in prompts for v in LABELS)
            ]
        else:
            generation = self.config.generation_kwargs
            requests = [
                Instance("generate_until", arguments=(prompt, dict(generation)), idx=i, **shared)
                for i, prompt in enumerate(prompts)
            ]
        for request in requests:
            request.truncated = truncated
        return requests

    def _fit(
        self, doc: Mapping[str, Any], fields: Fields, ctx: Callable[[Fields], Any]
    ) -> tuple[Fields, bool]:
        generation = self.config.generation_kwargs or {}
        new_tokens = next(
            (
                int(generation[key])
                for key in ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
                if generation.get(key)
            ),
            _SCORED_TOKENS,
        )
        budget = self._context.budget(new_tokens)

        def build(candidate: Fields) -> str:
            return _as_text(ctx(candidate))

        fitted, truncated = fit(fields, build, budget)
        if truncated and not budget.holds(build(fitted)):
            raise InputError(
                f"{self.config.task}: the judge's context of {self._context.length} tokens less "
                f"{new_tokens} new tokens does not even hold the template of pair {doc['id']}. "
                "Lower max_gen_toks, or raise max_length in --model_args if the judge can read "
                "more."
            )
        return fitted, truncated

    def _refuse_split_prompts(self) -> None:
        if backends.hf_judge_is_live() or not self._context.is_limited:
            return
        tokenizer = self._context.tokenizer
        if tokenizer is None:
            _log.warning(
                "%s: without the judge's tokenizer it cannot be checked that the backend scores "
                "the prompt's own tokens; hf-judge does.",
                self.config.task,
            )
            return
        for request in self.instances[:6]:
            prompt, continuation = request.args
            if splits_prompt(tokenizer, _as_text(prompt), continuation):
                raise UsageError(
                    f"{self.config.task}: the stock log-likelihood path would score other tokens "
                    f"than the prompt's own with the tokenizer {tokenizer.name_or_path}, because "
                    "it moves the prompt's last newline into the verdict. Use --model hf-judge "
                    "(pandalm-eval run), or the verdict protocol."
                )

    def _report_shortened(self) -> None:
        shortened = sum(request.truncated for request in self.instances)
        if shortened:
            _log.warning(
                "%s: %d of %d prompts were longer than the judge's context of %d tokens; their "
                "responses were shortened evenly (truncated_rate).",
                self.config.task,
                shortened,
                len(self.instances),
                self._context.length,
            )

    # Readings and metrics ----------------------------------------------------------------------

    def apply_filters(self) -> None:
        """What the judge returned becomes what samples and `process_results` see.

        Text becomes a reading, a log-likelihood becomes {logprob, truncated}; both as JSON texts,
        since the harness writes whatever stands here into samples by `str`.
        """
        for request in self.instances:
            response = request.resps[0]
            if self.settings.protocol is Protocol.LOGPROB:
                found = {"logprob": float(response[0]), "truncated": request.truncated}
            else:
                found = self._read(request, response).to_json()
            request.filtered_resps["none"] = json.dumps(found)

    def _read(self, request: Instance, text: str) -> Reading:
        finish = getattr(text, "finish", None)
        if backends.NULL_ANSWER is not None and text == backends.NULL_ANSWER:
            finish = "error"
        elif finish is None and self._used_up(text):
            finish = "length"
        return read_text(
            text,
            swapped=request.idx == 1,
            truncated=request.truncated,
            finish=finish,
            seconds=getattr(text, "seconds", None),
            thinking_end=self._thinking_end,
        )

    def _used_up(self, text: str) -> bool:
        # Stock backends do not say why they ended. Only texts that could be that long are counted.
        budget = int((self.config.generation_kwargs or {}).get("max_gen_toks") or 0)
        if len(text) < budget or not self._context.is_limited or self._context.tokenizer is None:
            return False
        counted = self._context.tokenizer(text, add_special_tokens=False)["input_ids"]
        return len(counted) >= budget

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """{metric key: value of this pair}: `acc` is 1 or 0, every other key the judgment."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": 0.0}
        judgment = judge(doc, self.settings.protocol, results)
        values: dict[str, Any] = dict.fromkeys(self._keys, judgment)
        if self.has_gold:
            values["acc"] = float(judgment.correct)
        return values

    def _declare_metrics(self) -> None:
        protocol = self.settings.protocol
        self._keys = keys_for(protocol, gold=self.has_gold)
        self._metric_fn_list = dict.fromkeys(self._keys)
        figures = _Figures(protocol)
        self._aggregation_list = {key: partial(figures.value, key) for key in self._keys}
        if self.has_gold:
            self._aggregation_list["acc"] = mean  # of ones and zeros: exact in any order
        better = {m.key: m.higher_is_better for m in metrics_for(protocol, gold=self.has_gold)}
        self._higher_is_better = {
            f"{key}{suffix}": value for key, value in better.items() for suffix in SUFFIXES
        }
        self.config.metric_list = [{"metric": key} for key in self._keys]


class _Figures:
    """Computes all figures of a run once, though the harness asks for them key by key."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._of: tuple[int, ...] = ()
        self._values: dict[str, float] = {}

    def value(self, key: str, judgments: Sequence[Judgment]) -> float | str:
        """The figure `key` of the judgments, `N/A` where it is undefined."""
        same = tuple(map(id, judgments))
        if same != self._of:
            self._values, self._of = summarise(judgments, self._protocol), same
        return printable(self._values[key])


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


def document(index: int, pair: Pair) -> dict[str, Any]:
    """A pair as the harness's document."""
    return {
        "index": index,
        "id": pair.id,
        "prompt_id": pair.prompt_id,
        "text_hash": pair.text_hash,
        "model1": pair.model1,
        "model2": pair.model2,
        "gold": pair.gold and pair.gold.value,
        "annotators": [label.value for label in pair.annotators],
        "instruction": pair.instruction,
        "input": pair.input,
        "response1": pair.response1,
        "response2": pair.response2,
    }


def fields_of(doc: Mapping[str, Any]) -> Fields:
    """Clean texts of a document."""
    return Fields.clean(doc["instruction"], doc["input"], doc["response1"], doc["response2"])


def _labelled(pairs: list[Pair]) -> tuple[list[Pair], int]:
    """Pairs with a gold label and the number left out; all of them where none has one."""
    labelled = [pair for pair in pairs if pair.gold is not None]
    return (labelled, len(pairs) - len(labelled)) if labelled else (pairs, 0)


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


def _as_text(prompt: Any) -> str:
    """A prompt as text; chat APIs get messages as JSON in a wrapper of the harness."""
    return prompt if isinstance(prompt, str) else str(prompt.prompt)
