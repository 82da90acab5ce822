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
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from pandalm_eval import __version__, backends
from pandalm_eval.context import Context
from pandalm_eval.data import locate
from pandalm_eval.errors import UsageError
from pandalm_eval.figures import Figures, agreement_figures
from pandalm_eval.fitting import Shorten
from pandalm_eval.gold import GPT_LABELS, with_gold
from pandalm_eval.human import TEST_SET, read_test_set
from pandalm_eval.judgments import Protocol, Reading, read_text
from pandalm_eval.order_requests import BuildPrompt, OrderRequests, fields_of, generation_arguments
from pandalm_eval.pairs import Pair, read_pairs
from pandalm_eval.prompts import PromptStyle, render
from pandalm_eval.readings import judge
from pandalm_eval.settings import GPT, HUMAN, Decoding, Settings
from pandalm_eval.verdicts import LABELS, TARGETS
from pandalm_eval.version import commit

_log = logging.getLogger(__name__)

LOADED: dict[str, frozenset[str]] = {}
"""Ids of the whole pair set by task name: a recorded judge checks its file against it, whatever
part of the set a limit or a rank leaves to it."""


class PairwiseJudge(ConfigurableTask):
    """A judge reads pairs of responses and is compared with gold labels.

    YAML: `class: !function pandalm_eval.task.PairwiseJudge`, with `dataset_kwargs` {source: human
    or pairs, protocol: the default one, fixed: whether the name promises it}. Settings of a run
    come by `--metadata` (`settings.py`).

    Attributes:
        own_gold: what results call the pairs' own labels.
        shorten: what a prompt loses first that is too long for the judge.

    Raises:
        UsageError, InputError: from the constructor, before any request is built.
    """

    own_gold = HUMAN
    shorten = Shorten.RESPONSES

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
        self._gold = self.own_gold if self.settings.gold == HUMAN else self.settings.gold
        self._context = self._judge_context(metadata)
        self._orders = OrderRequests(given["task"], self.settings, self._context, self.shorten)
        self._thinking_end = metadata.get("think_end_token")
        given["metadata"] = metadata | {
            "protocol": self.settings.protocol.value,
            "prompt": self.settings.prompt.value,
            "decoding": self.settings.decoding.value,
            "gold": self._gold,
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

    def _judge_context(self, metadata: Mapping[str, Any]) -> Context:
        return Context(metadata)

    # Documents ---------------------------------------------------------------------------------

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Read the pairs and make documents of them; called by the harness's constructor."""
        import datasets

        if self.settings.decoding is Decoding.UPSTREAM and not backends.hf_judge_is_live():
            raise UsageError(backends.UPSTREAM_NEEDS_HF_JUDGE)
        task = str(self.config.task)
        whole = self._read_pairs()
        LOADED[task] = frozenset(pair.id for pair in whole)
        pairs = self._choose(whole)
        self.config.metadata["left_out"] = len(whole) - len(pairs)
        documents = [self._document(index, pair) for index, pair in enumerate(pairs)]
        self.dataset = {"test": datasets.Dataset.from_list(documents)}

    def _read_pairs(self) -> list[Pair]:
        """The pairs under the gold asked for."""
        pairs, gold = self._own_pairs(), self.settings.gold
        if gold == HUMAN:
            return list(pairs)
        if gold == GPT:
            if self._source["source"] != "human":
                raise UsageError(
                    f"gold={GPT} belongs to the PandaLM test set; {self.config.task} takes its "
                    f"own labels ({self.own_gold}), or gold=FILE."
                )
            return with_gold(pairs, locate(GPT_LABELS, self.settings.data_dir))
        path = Path(gold).expanduser()
        if not path.exists():
            raise UsageError(f"unknown gold {gold!r}; known are {HUMAN}, {GPT} or a file.")
        return with_gold(pairs, path)

    def _own_pairs(self) -> Sequence[Pair]:
        """The pairs with their own labels."""
        if self._source["source"] == "human":
            return read_test_set(locate(TEST_SET, self.settings.data_dir))
        if self.settings.pairs is None:
            raise UsageError(
                f"{self.config.task} needs a pair file: add --metadata pairs=FILE (JSON list "
                "or JSONL of instruction, input, response1, response2, label)."
            )
        return read_pairs(Path(self.settings.pairs).expanduser())

    def _document(self, index: int, pair: Pair) -> dict[str, Any]:
        return document(index, pair)

    def _choose(self, pairs: list[Pair]) -> list[Pair]:
        """The pairs with a gold label; all of them where none has one."""
        labelled = [pair for pair in pairs if pair.gold is not None]
        self.has_gold = bool(labelled)
        if labelled and len(labelled) < len(pairs):
            _log.warning(
                "%s: %d of %d pairs have no label under gold=%s and are left out.",
                self.config.task,
                len(pairs) - len(labelled),
                len(pairs),
                self._gold,
            )
        return labelled or pairs

    def fewshot_docs(self) -> None:
        """None: there are no examples to sample from."""
        return

    def doc_to_text(self, doc: Mapping[str, Any], *_: Any) -> str:
        """The prompt in the pair's own order, before any shortening."""
        return render(self.settings.prompt, fields_of(doc))

    def doc_to_target(self, doc: Mapping[str, Any], *_: Any) -> str:
        """What a judge that agrees with gold would write first; empty without gold."""
        return next((TARGETS[label] for label in LABELS if label == doc["gold"]), "")

    def doc_iterator(
        self,
        *,
        rank: int = 0,
        limit: int | None = None,
        world_size: int = 1,
        samples: list[int] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Documents of a process with their numbers.

        Those of a prompt stay together, as a judge reads what they share once. Where there are
        fewer prompts than processes, single documents are dealt out as the harness does.
        """
        whole: Iterator[tuple[int, Any]] = super().doc_iterator(limit=limit, samples=samples)
        if world_size == 1:
            return whole
        docs = list(whole)
        prompts = Counter(doc["prompt_id"] for _, doc in docs)
        if len(prompts) < world_size:
            return iter(docs[rank::world_size])
        held = [0] * world_size
        owner = {}
        for prompt, count in prompts.most_common():  # the largest first, each to who has least
            owner[prompt] = held.index(min(held))
            held[owner[prompt]] += count
        return iter([(number, doc) for number, doc in docs if owner[doc["prompt_id"]] == rank])

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
        documents = self.doc_iterator(
            limit=arguments.get("limit"), samples=arguments.get("samples")
        )
        count = sum(1 for _ in islice(documents, world_size))
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
            self._orders.refuse_split_prompts(self.instances)
        self._orders.report_shortened(self.instances)

    def fewshot_context(
        self,
        doc: Mapping[str, Any],
        num_fewshot: int = 0,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., Any] | None = None,
        gen_prefix: str | None = None,
    ) -> BuildPrompt:
        """How the prompt of an order is built from its fields, for `construct_requests`."""
        template = chat_template if apply_chat_template else None
        return self._orders.prompt_builder(system_instruction, template)

    def construct_requests(
        self, doc: Mapping[str, Any], ctx: BuildPrompt, **arguments: Any
    ) -> list[Instance]:
        """One request an order; three an order where verdicts are scored. idx 0 is forward."""
        generation = self.config.generation_kwargs or {}
        return self._orders.build(doc, ctx, generation, arguments["metadata"])

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
        elif finish is None and self._context.used_up(text, self._budget):
            finish = "length"
        return read_text(
            text,
            swapped=request.idx == 1,
            truncated=request.truncated,
            finish=finish,
            seconds=getattr(text, "seconds", None),
            thinking_end=self._thinking_end,
        )

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """{metric key: value of this pair}: `acc` is 1 or 0, every other key the judgment."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": 0.0}
        judgment = judge(doc, self.settings.protocol, results)
        values: dict[str, Any] = dict.fromkeys(self._keys, judgment)
        if self.has_gold:
            values["acc"] = float(judgment.correct)
        return values

    @property
    def _budget(self) -> int:
        return int((self.config.generation_kwargs or {}).get("max_gen_toks") or sys.maxsize)

    def _figures(self) -> Figures:
        """What is computed of the judgments."""
        return agreement_figures(self.settings.protocol, gold=self.has_gold)

    def _declare_metrics(self) -> None:
        figures = self._figures()
        self._keys = figures.keys
        self._metric_fn_list = dict.fromkeys(self._keys)
        self._aggregation_list = {key: partial(figures.value, key) for key in self._keys}
        if self.has_gold:
            self._aggregation_list["acc"] = mean  # of ones and zeros: exact in any order
        self._higher_is_better = figures.higher_is_better
        self.config.metric_list = [{"metric": key} for key in self._keys]


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
