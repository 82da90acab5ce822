"""Comparing candidates from Python, in one call.

from pandalm_eval import compare
found = compare(["a.json", "b.json"], judge="WeOpenML/PandaLM-7B-v1")
print(found.table())
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pandalm_eval.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from pandalm_eval.results import Run
    from pandalm_eval.tables.models import ModelsTable

Told = str | Path | Mapping[str, Any] | Any
"""A response file, {"model": …, "model_args": {…}}, a model of the harness, or a name for
`hf-judge`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found; keeps every judgment.

    Attributes:
        run: the judge's judgments, as `pandalm-eval table` would read them.
        models: the tables made of them.
    """

    run: Run
    models: ModelsTable

    def table(self, format: str = "markdown") -> str:
        """Ranking, matrix and contests as `markdown`, `csv`, `latex` or `json`."""
        from pandalm_eval.tables.render import render

        return render(self.models, format)

    def matrix(self) -> pd.DataFrame:
        """Win rates, (candidates, candidates), of the row's against the column's; NaN for none."""
        import pandas as pd

        names = [row["candidate"] for row in self.models.ranking]
        matrix = pd.DataFrame(index=names, columns=names, dtype=float)
        for row in self.models.rows:
            if row["win_rate"] is not None:
                matrix.loc[row["a"], row["b"]] = row["win_rate"]
                matrix.loc[row["b"], row["a"]] = 1 - row["win_rate"]
        return matrix

    @property
    def frame(self) -> pd.DataFrame:
        """One row a pair: prompt_id, response 1's and 2's candidate, verdict, lengths."""
        import pandas as pd

        return pd.DataFrame(
            {
                "id": judgment.id,
                "prompt_id": judgment.prompt_id,
                "model1": judgment.model1,
                "model2": judgment.model2,
                "verdict": judgment.verdict.value,
                "readings": [reading.verdict.value for reading in judgment.readings],
                "length1": judgment.length1,
                "length2": judgment.length2,
            }
            for judgment in self.run.judgments or ()
        )

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        """The printed tables, for notebooks; nothing of the candidates' is taken for HTML."""
        import html

        import pandas as pd

        parts = [
            pd.DataFrame(section).to_html(index=False, escape=True)
            for section in self.models.sections()
            if section
        ]
        return "".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in self.models.notes)])


def compare(
    candidates: Mapping[str, Told] | Sequence[Told],
    judge: Told,
    *,
    baseline: str | None = None,
    instructions: str | Path | None = None,
    protocol: str = "verdict",
    prompt: str = "pandalm",
    join: str = "exact",
    labels: str | Path | None = None,
    limit: int | None = None,
    **run: Any,
) -> Comparison:
    """Compare candidates by a judge; each step is a standard run of the harness.

    Args:
        candidates: {name: candidate} or a list. A candidate is a response file, or a model that
            answers first: {"model": …, "model_args": {…}}, a model object of the harness, or the
            name or folder of a model for `hf-judge`.
        judge: a model, told in the same ways; hf-judge, rule and recorded are known.
        baseline: a candidate's name: compare the others with it instead of all pairs.
        instructions: prompts that models answer; by default the 170 of the PandaLM test set.
        protocol, prompt, join, labels: as on the command line.
        limit: only so many prompts are answered, and only so many pairs judged.
        run: further arguments of `lm_eval.simple_evaluate` for all runs (batch_size, device, …).

    Returns:
        The comparison. Progress goes to standard error.

    Raises:
        UsageError, InputError: before any model works, where that can be known.
    """
    from pandalm_eval import models
    from pandalm_eval.results import read_runs
    from pandalm_eval.tables.models import ModelsTable

    models.register()
    named = _named(candidates)
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: str(_answers(name, told, Path(folder), instructions, limit, run))
            for name, told in named.items()
        }
        metadata = {
            "responses": files,
            "protocol": protocol,
            "prompt": prompt,
            "join": join,
            **({"baseline": baseline} if baseline else {}),
            **({"instructions": str(instructions)} if instructions else {}),
            **({"labels": str(labels)} if labels else {}),
        }
        chat = {"apply_chat_template": True} if prompt == "chat" else {}
        written = _run(
            "pandalm-compare", judge, metadata, Path(folder) / "judged", limit, run | chat
        )
        (found,) = read_runs([written])
    return Comparison(found, ModelsTable.of([found]))


def _named(candidates: Mapping[str, Told] | Sequence[Told]) -> dict[str, Told]:
    if isinstance(candidates, Mapping):
        return dict(candidates)
    if isinstance(candidates, str | Path):
        raise UsageError("candidates are a list or {name: candidate}, not one name.")
    named: dict[str, Told] = {}
    for told in candidates:
        name = _name(told)
        if name in named:
            raise UsageError(f"two candidates are named {name}; give {{name: candidate}}.")
        named[name] = told
    return named


def _name(told: Told) -> str:
    from pandalm_eval.results import judge_name

    if file := _file(told):
        return file.stem
    if isinstance(told, str):
        return Path(told).name
    if isinstance(told, Mapping):
        return judge_name(told)
    raise UsageError("a model object has no name; give {name: candidate}.")


def _file(told: Told) -> Path | None:
    """A response file: any `Path`, and a text that names a file."""
    if isinstance(told, Path):
        return told.expanduser()
    if isinstance(told, str) and Path(told).expanduser().is_file():
        return Path(told).expanduser()
    return None


def _answers(
    name: str,
    told: Told,
    folder: Path,
    instructions: str | Path | None,
    limit: int | None,
    run: Mapping[str, Any],
) -> Path:
    """The candidate's response file, made by `pandalm-respond` where it is a model."""
    if file := _file(told):
        return file
    metadata = {"instructions": str(instructions)} if instructions else {}
    return _run("pandalm-respond", told, metadata, folder / name, limit, run)


def _run(
    task: str,
    told: Told,
    metadata: Mapping[str, Any],
    folder: Path,
    limit: int | None,
    run: Mapping[str, Any],
) -> Path:
    """One run of the harness; returns the samples file that it left in `folder`."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    from pandalm_eval.tasks_folder import tasks_folder

    model, arguments = _model(told)
    tracker = EvaluationTracker(output_path=str(folder))
    with contextlib.redirect_stdout(
        io.StringIO()
    ):  # the harness prints; the caller's screen is not ours
        found = simple_evaluate(
            model=model,
            model_args=arguments,
            tasks=[task],
            task_manager=TaskManager(
                include_path=str(tasks_folder()),
                include_defaults=False,
                metadata=dict(arguments) | dict(metadata),
            ),
            limit=limit,
            log_samples=True,
            evaluation_tracker=tracker,
            **run,
        )
        samples = found.pop("samples")
        tracker.save_results_aggregated(results=found, samples=samples)
        tracker.save_results_samples(task_name=task, samples=samples[task])
    (written,) = folder.rglob(f"samples_{task}_*.jsonl")
    return written


def _model(told: Told) -> tuple[Any, dict[str, Any]]:
    if isinstance(told, str):
        return "hf-judge", {"pretrained": told}
    if isinstance(told, Mapping):
        if unknown := sorted(set(told) - {"model", "model_args"}):
            raise UsageError(f"a model is told by model and model_args, not {', '.join(unknown)}.")
        return told["model"], dict(told.get("model_args") or {})
    return told, {}
