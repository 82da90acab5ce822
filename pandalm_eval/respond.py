"""`pandalm-respond`: a candidate (`--model`) answers prompts; its samples are a response file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from pandalm_eval import __version__
from pandalm_eval.context import Context
from pandalm_eval.data import locate
from pandalm_eval.errors import UsageError
from pandalm_eval.instructions import INFERENCE_SET, Prompt, read_prompts
from pandalm_eval.settings import Decoding, Settings
from pandalm_eval.version import commit

NEW_TOKENS = 300
"""Budget of an answer: upstream's own."""

_UPSTREAM = {"num_beams": 4, "early_stopping": True}


class Respond(ConfigurableTask):
    """A candidate answers the 170 prompts of the PandaLM test set, or `instructions=FILE`.

    Under the Alpaca template; with `--apply_chat_template` as a user's message. Greedy, at most 300
    new tokens (`--gen_kwargs max_gen_toks=N` for another budget); `decoding=upstream` (4 beams)
    with hf-judge only.

    Metrics: `n_prompts`; `empty_rate`, `cut_rate` (the token budget ran out) and `repeated_rate`
    (the same text was given to another prompt too), shares of answers; `mean_characters`.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = dict(config or {})
        given.pop("class", None)  # TaskConfig refuses it
        metadata = dict(given.get("metadata") or {})
        self.settings = Settings.read(given["task"], metadata, "full", fixed=False)
        self._context = Context(metadata)
        generation = {"until": [], "max_gen_toks": NEW_TOKENS, "do_sample": False}
        if self.settings.decoding is Decoding.UPSTREAM:
            generation |= _UPSTREAM
        given["metadata"] = metadata | {
            "decoding": self.settings.decoding.value,
            "pandalm_eval_version": __version__,
            "pandalm_eval_commit": commit(),
        }
        given |= {
            "output_type": "generate_until",
            "generation_kwargs": generation,
            "test_split": "test",
            "num_fewshot": 0,
        }
        super().__init__(config=given)
        rates = ("empty_rate", "cut_rate", "repeated_rate")
        self._metric_fn_list = dict.fromkeys(("n_prompts", *rates, "mean_characters"))
        self._aggregation_list = {
            "n_prompts": len,
            **dict.fromkeys((*rates[:2], "mean_characters"), mean),
            "repeated_rate": _share_repeated,
        }
        self._higher_is_better = dict.fromkeys(rates, False)
        self.config.metric_list = [{"metric": key} for key in self._metric_fn_list]

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Read the prompts; called by the harness's constructor."""
        import datasets

        prompts = self._read_prompts()
        documents = [
            {
                "index": index,
                "prompt_id": prompt.id,
                "instruction": prompt.instruction,
                "input": prompt.input,
            }
            for index, prompt in enumerate(prompts)
        ]
        self.dataset = {"test": datasets.Dataset.from_list(documents)}

    def _read_prompts(self) -> list[Prompt]:
        if self.settings.instructions is None:
            return read_prompts(locate(INFERENCE_SET, self.settings.data_dir))
        return read_prompts(Path(self.settings.instructions).expanduser())

    def fewshot_docs(self) -> None:
        """None: there are no examples to sample from."""
        return

    def doc_to_text(self, doc: Mapping[str, Any], *_: Any) -> str:
        """The prompt under the Alpaca template."""
        return prompt_of(doc).alpaca()

    def doc_to_target(self, doc: Mapping[str, Any], *_: Any) -> str:
        """Empty: no answer is the right one."""
        return ""

    def fewshot_context(
        self,
        doc: Mapping[str, Any],
        num_fewshot: int = 0,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., Any] | None = None,
        gen_prefix: str | None = None,
    ) -> Any:
        """The whole prompt: text, or a chat API's messages."""
        prompt = prompt_of(doc)
        if not apply_chat_template or chat_template is None:
            text = prompt.alpaca()
            return f"{system_instruction}\n\n{text}" if system_instruction else text
        messages = [{"role": "user", "content": prompt.message()}]
        if system_instruction:
            messages.insert(0, {"role": "system", "content": system_instruction})
        return chat_template(messages)

    def construct_requests(
        self, doc: Mapping[str, Any], ctx: Any, **arguments: Any
    ) -> list[Instance]:
        """One request a prompt."""
        return [
            Instance(
                "generate_until",
                doc=dict(doc),
                arguments=(ctx, dict(self.config.generation_kwargs)),
                idx=0,
                metadata=arguments["metadata"],
            )
        ]

    def apply_filters(self) -> None:
        """The answer as plain text; how it ended is kept aside for the metrics."""
        for request in self.instances:
            answer = request.resps[0]
            if not isinstance(answer, str):
                raise UsageError(f"{self.config.task}: the model returned {answer!r}, no text.")
            request.cut = self._is_cut(answer)
            request.filtered_resps["none"] = str(answer)
        self._cut = {request.doc["prompt_id"]: request.cut for request in self.instances}

    def _is_cut(self, answer: str) -> bool:
        finish = getattr(answer, "finish", None)
        if finish is not None:
            return bool(finish == "length")
        return self._context.used_up(answer, int(self.config.generation_kwargs["max_gen_toks"]))

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """{metric key: value of this answer}."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": 0.0}
        answer = results[0].strip()
        return {
            "n_prompts": 1,
            "empty_rate": float(not answer),
            "cut_rate": float(self._cut[doc["prompt_id"]]),
            "repeated_rate": answer,
            "mean_characters": float(len(answer)),
        }


def prompt_of(doc: Mapping[str, Any]) -> Prompt:
    """The prompt of a document."""
    return Prompt(doc["instruction"], doc["input"])


def _share_repeated(answers: Sequence[str]) -> float:
    """Share of non-empty answers whose text another prompt got too; 0 without any.

    >>> _share_repeated(["Yes.", "Yes.", "No.", "", ""])
    0.6666666666666666
    """
    counts = Counter(answer for answer in answers if answer)
    repeated = sum(count for count in counts.values() if count > 1)
    return repeated / counts.total() if counts else 0.0
