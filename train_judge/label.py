"""`python -m train_judge.label`: verdicts on pairs, by a teacher or from labels that exist.

    python -m train_judge.label pairs.jsonl -o labelled.jsonl --model local-chat-completions \\
        --model_args base_url=http://localhost:8000/v1/chat/completions,model=NAME,num_concurrent=8

    python -m train_judge.label --from alpaca_eval/*.json -o labelled.jsonl

A teacher is any model of the harness or of ours. It is asked in both orders, under the prompt style
`chat` of `pandalm_eval.prompts`, which asks for verdict, reason and reference in the form that a
judge is trained to write. Keys are read from the environment (OPENAI_API_KEY) alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pandalm_eval.errors import UsageError
from pandalm_eval.judges import JudgeModel
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.verdicts import Verdict
from train_judge.funnel import Funnel
from train_judge.labelled import Labelled
from train_judge.released import stream_released
from train_judge.steps import Step, add_output, command, watched, write_record

NEW_TOKENS = 1024
"""Budget of a teacher's answer: longer references than a judge's own target are filtered later."""


def count(labelled: Labelled, counts: Counter[str]) -> None:
    """Count one pair by what its answers say."""
    verdicts = [answer.verdict for answer in labelled.answers]
    counts["one order" if len(verdicts) == 1 else "both orders"] += 1
    counts.update(f"answers: {verdict}" for verdict in verdicts)
    if Verdict.INVALID not in verdicts and len(set(verdicts)) > 1:
        counts["verdict changes with the order"] += 1


def from_files(files: Sequence[Path], pairs: Path | None, output: TextIO) -> Funnel:
    """Write the labels of all files; returns the funnel."""
    funnel, counts = Funnel.of("label", ()), Counter[str]()
    for path in files:
        before = funnel.read
        for labelled in watched(stream_released(path, pairs), f"label: {path.name}"):
            funnel.read += 1
            count(labelled, counts)
            write_record(output, labelled.record())
        funnel.notes[f"from {path.name}"] = funnel.read - before
    funnel.kept = funnel.read
    funnel.notes |= dict(sorted(counts.items()))
    return funnel


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and label."""
    told = build_parser().parse_args(arguments)
    if (told.files is None) == (told.model is None):
        raise UsageError("name a teacher (--model) or files of labels (--from), one of the two.")
    if told.files is not None:
        pairs = told.pairs
        step = Step(
            name="label",
            outputs=(told.output,),
            inputs=(*told.files, *([pairs] if pairs else [])),
            settings={"from": [path.name for path in told.files]},
        )
        step.run(lambda outputs: from_files(told.files, pairs, outputs[0]), again=told.again)
        return
    if told.pairs is None:
        raise UsageError("name the pairs that the teacher is to judge.")
    _ask(told)


def _ask(told: argparse.Namespace) -> None:
    from train_judge.asking import label_pairs
    from train_judge.prices import Prices
    from train_judge.teacher import Teacher

    teacher = Teacher(
        model=JudgeModel.read({"model": told.model, "model_args": _arguments(told.model_args)}),
        style=PromptStyle(told.prompt),
        new_tokens=told.max_new_tokens,
        prices=Prices(told.price_in, told.price_out),
    )
    step = Step(
        name="label",
        outputs=(told.output,),
        inputs=(told.pairs,),
        settings=teacher.settings(),
    )
    answers = told.answers or told.output.with_name(f"{told.output.name}.answers.sqlite")
    step.run(
        lambda outputs: label_pairs(teacher, told.pairs, answers, outputs[0]),
        again=told.again,
    )


def _arguments(text: str) -> object:
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"--model_args is no JSON ({error}).") from None


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train_judge.label",
        description="Verdicts on pairs, by a teacher or from labels that exist.",
    )
    parser.add_argument("pairs", type=Path, nargs="?", metavar="PAIRS", help="the pairs to judge")
    add_output(parser, "JSONL of the pairs with their answers")
    parser.add_argument(
        *("--from",),
        dest="files",
        nargs="+",
        action="extend",
        type=Path,
        metavar="FILE",
        help="labels that exist: AlpacaEval annotations; JSON, JSONL or CSV of {instruction, "
        "input, response1, response2, verdict, reason, reference}; verdicts by id of PAIRS",
    )
    teacher = parser.add_argument_group("teacher")
    teacher.add_argument("--model", metavar="NAME", help="a model of the harness, as in lm_eval")
    teacher.add_argument(
        *("--model_args",),
        default="",
        metavar="ARGS",
        help="its arguments, key=value,… or JSON; an API takes num_concurrent, max_retries (with "
        "exponential back-off) and timeout",
    )
    teacher.add_argument(
        *("--prompt",),
        choices=[style.value for style in PromptStyle],
        default=PromptStyle.CHAT.value,
        help="chat, or pandalm for a judge that was trained on it (default: %(default)s)",
    )
    teacher.add_argument(
        *("--max_new_tokens",),
        type=int,
        default=NEW_TOKENS,
        metavar="N",
        help="longest answer (default: %(default)s)",
    )
    teacher.add_argument(
        *("--answers",),
        type=Path,
        metavar="FILE",
        help="where answers are kept as they come, so that none is asked for twice (default: "
        "OUTPUT.answers.sqlite)",
    )
    for side, what in (("in", "prompts"), ("out", "answers")):
        teacher.add_argument(
            f"--price_{side}",
            type=float,
            metavar="X",
            help=f"price of a million tokens of {what}, to tell the cost",
        )
    return parser


if __name__ == "__main__":
    sys.exit(command(main))
