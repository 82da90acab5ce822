"""The course of a training: its log, its picture, and the end of one that diverged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pandalm_eval.errors import InputError
from train_judge.steps import write_json

_PANELS = (
    ("loss (nats per target token)", (("loss", "training"), ("eval_loss", "validation"))),
    (
        "validation (share of pairs)",
        (("eval_accuracy", "accuracy"), ("eval_consistency", "position consistency")),
    ),
    ("tokens per second", (("tokens_per_second", "training"),)),
    ("share of the matrix rate (mfu)", (("mfu", "training"),)),
)


class KeepLog(TrainerCallback):
    """Writes `log.json`, records of {step, …}, whenever something is logged.

    A resumed training has the records up to its checkpoint from there, so none stands twice.
    """

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Called after each record, on every process."""
        if state.is_world_process_zero:
            write_json(Path(args.output_dir) / "log.json", state.log_history)


class StopWhenDiverged(TrainerCallback):
    """Ends a training whose loss is no number any more: nothing comes of it."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Raise an InputError at the first loss or gradient that is not finite."""
        keys = ("loss", "grad_norm", "train_loss", "eval_loss")
        told = {key: (logs or {}).get(key, 0.0) for key in keys}
        if wrong := [key for key, value in told.items() if not math.isfinite(value)]:
            raise InputError(
                f"the training diverged: {' and '.join(wrong)} not finite at update "
                f"{state.global_step}. Take a lower learning_rate, or more warmup."
            )


def plot_course(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the picture of a log, without panels that have no data; the suffix says the format.

    Args:
        history: records of {step, …} as in `log.json`.
    """
    from matplotlib.figure import Figure

    told = {key for record in history for key in record}
    shown = [panel for panel in _PANELS if told & {key for key, _ in panel[1]}]
    figure = Figure(figsize=(6.4, 2.4 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
    for axes, (label, lines) in zip(panels, shown, strict=True):
        for (key, name), style in zip(lines, ("-", "--"), strict=False):
            points = [(record["step"], record[key]) for record in history if key in record]
            if points:
                axes.plot(*zip(*points, strict=True), style, marker=".", label=name)
        axes.set_ylabel(label)
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    panels[0].set_yscale("log")  # it falls by orders of magnitude at first
    panels[-1].set_xlabel("updates")
    figure.savefig(path)
