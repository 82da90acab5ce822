"""`pandalm-winrate`: the candidate (`--model`) answers, then a judge compares it with a baseline.

One run. Once all answers are in, all pairs are judged in one batch, by the judge that the metadata
names; the way from pair to figure is that of `pandalm-compare`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pandalm_eval import candidate_memory
from pandalm_eval.compare_task import Compare, ToldOnce, comparison_figures
from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.instructions import Prompt, named
from pandalm_eval.judges import JudgeModel
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.readings import judge
from pandalm_eval.respond import Respond, prompt_of
from pandalm_eval.responses import Candidate, read_candidates, the_only
from pandalm_eval.results import judge_name
from pandalm_eval.settings import Join

_log = logging.getLogger(__name__)

_TWO_STEPS = (
    "under the bare harness the candidate stays in memory while the judge runs, as only our "
    "command can free it. Where both do not fit: `pandalm-eval run` with the same flags; or two "
    "steps, --tasks pandalm-respond --log_samples with the candidate, then --tasks pandalm-compare "
    "with --model JUDGE and --metadata responses=SAMPLES baseline=FILE."
)


class WinRate(Respond):
    """The win rate of `--model` against the `baseline`'s recorded responses.

    Metadata: `baseline` (a response file), `judge` ({"model": …, "model_args": {…}}), and what
    `pandalm-respond` and `pandalm-compare` take. Metrics: those of a comparison with a baseline,
    and `empty_rate`, `cut_rate` of the candidate's answers.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = dict(config or {})
        metadata = dict(given.get("metadata") or {})
        self._judge = JudgeModel.read(metadata.get("judge"))
        self._own_metadata = metadata
        super().__init__(given | {"metadata": {"protocol": "verdict"} | metadata})
        self.config.metadata |= {
            "protocol": self.settings.protocol.value,
            "prompt": self.settings.prompt.value,
            "gold": "none",
            "judge": {"model": self._judge.model, "model_args": dict(self._judge.arguments)},
        }
        names = [self._name, self._baseline.name]
        self._figures = comparison_figures(self.settings.protocol, names, self._baseline.name)
        rates = ("empty_rate", "cut_rate")
        kept = {key: self._aggregation_list[key] for key in rates}
        keys = [*self._figures.keys, *rates]
        self._metric_fn_list = dict.fromkeys(keys)
        self._aggregation_list = {
            key: _valued(self._figures, key) for key in self._figures.keys
        } | kept
        self._higher_is_better = self._figures.higher_is_better | dict.fromkeys(rates, False)
        self.config.metric_list = [{"metric": key} for key in keys]

    def _read_prompts(self) -> list[Prompt]:
        """The prompts to answer; the baseline must have answered them, and is read first."""
        told = self.settings.baseline
        if told is None:
            raise UsageError(
                "pandalm-winrate needs the baseline's responses: --metadata baseline=FILE."
            )
        if self.settings.labels is not None:
            raise UsageError(
                "pandalm-winrate takes no labels: people cannot have judged answers that are yet "
                "to be written. Answer with pandalm-respond, label a random part of the prompts, "
                "and give the labels to pandalm-compare."
            )
        asked = self.settings.instructions
        file = Path(asked).expanduser() if asked else None
        self._baseline = the_only(told, read_candidates(told, file))
        self._name = self._candidate_name()
        prompts = super()._read_prompts()
        missing = [prompt for prompt in prompts if prompt not in self._baseline.answers]
        if missing and self.settings.join is Join.EXACT:
            raise InputError(
                f"{self._baseline.path}: the baseline has no answer to {len(missing)} of "
                f"{len(prompts)} prompts: {listing(map(named, missing), 3)}. Name the prompts that "
                "it answered with instructions=FILE, or take join=intersection."
            )
        common = [prompt for prompt in prompts if prompt in self._baseline.answers]
        if not common:
            raise InputError(f"{self._baseline.path}: the baseline answered none of the prompts.")
        if missing:
            _log.warning(
                "join=intersection: %d of %d prompts have an answer of the baseline; the others "
                "are left out.",
                len(common),
                len(prompts),
            )
        return common

    def _candidate_name(self) -> str:
        told = judge_name({"model": "candidate", "model_args": self._own_metadata})
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", told) or "candidate"
        return name if name != self._baseline.name else f"{name}-candidate"

    def build_all_requests(self, **arguments: Any) -> None:
        """Check the judge's arguments before the candidate works, then build its requests."""
        self._judge.check(self.settings.protocol, self.settings.prompt)
        if self._judge.is_model and not candidate_memory.can_free():
            _log.warning("%s: %s", self.config.task, _TWO_STEPS)
        super().build_all_requests(**arguments)

    def apply_filters(self) -> None:
        """Judge all answers in one batch."""
        super().apply_filters()
        answers = {prompt_of(one.doc): one.filtered_resps["none"] for one in self.instances}
        own = Candidate(self._name, answers, Path(self._name))
        recorded = {prompt: self._baseline.answers[prompt] for prompt in answers}
        baseline = Candidate(self._baseline.name, recorded, self._baseline.path)
        judged = self._judged([own, baseline])
        for request in self.instances:
            doc, readings = judged[request.doc["prompt_id"]]
            request.filtered_resps["none"] = json.dumps(
                {
                    "response": request.filtered_resps["none"],
                    "cut": request.cut,
                    "pair": doc,
                    "readings": readings,
                }
            )

    def _judged(
        self, candidates: Sequence[Candidate]
    ) -> dict[str, tuple[dict[str, Any], list[str]]]:
        """By prompt id, the pair's document and its readings."""
        settings = self.settings
        comparison = Compare(
            {
                "task": str(self.config.task),
                "dataset_kwargs": {
                    "protocol": settings.protocol.value,
                    "candidates": candidates,
                    "baseline": self._baseline.name,
                },
                "metadata": {
                    "protocol": settings.protocol.value,
                    "prompt": settings.prompt.value,
                    **self._judge.arguments,
                },
            }
        )
        candidate_memory.free()
        chat = settings.prompt is PromptStyle.CHAT
        with self._judge.ready() as lm:
            comparison.build_all_requests(
                apply_chat_template=chat, chat_template=lm.apply_chat_template if chat else None
            )
            requests = comparison.instances
            answers = getattr(lm, comparison.OUTPUT_TYPE)(requests)
        for request, answer in zip(requests, answers, strict=True):
            request.resps.append(answer)
        comparison.apply_filters()
        judged: dict[str, tuple[dict[str, Any], list[str]]] = {}
        for request in sorted(requests, key=lambda request: request.idx):
            _, readings = judged.setdefault(request.doc["prompt_id"], (request.doc, []))
            readings.append(request.filtered_resps["none"])
        return judged

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """The judgment for every key of the comparison, and what the answer is like."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": 0.0}
        told = json.loads(results[0])
        judgment = judge(told["pair"], self.settings.protocol, told["readings"])
        return ToldOnce(
            self._figures.keys,
            judgment,
            empty_rate=float(not told["response"].strip()),
            cut_rate=float(told["cut"]),
        )


def _valued(figures: Any, key: str) -> Any:
    return lambda judgments: figures.value(key, judgments)
