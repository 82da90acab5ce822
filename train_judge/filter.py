"""`python -m train_judge.filter`: leave out what a judge should not learn from.

    python -m train_judge.filter labelled.jsonl -o filtered.jsonl

In this order, each counted under its own name: answers that could not be read, verdicts that change
with the order, identical or empty responses, reasons that speak for another verdict, overlong
targets, duplicates, near duplicates, and prompts of evaluation sets.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from pandalm_eval.data import locate
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.human import TEST_SET
from pandalm_eval.instructions import Prompt
from train_judge.contamination import Contamination, read_evaluation
from train_judge.duplicates import THRESHOLD
from train_judge.funnel import Funnel
from train_judge.labelled import pair_record, stream_labelled
from train_judge.rules import MAX_TARGET_TOKENS, REASONS, UNREADABLE, Rules, chosen
from train_judge.steps import Step, add_output, command, watched, write_record

BYTES_PER_TOKEN = 4.0
"""An estimate for English under today's tokenizers; name a tokenizer to count."""


def filtered(path: Path, rules: Rules, funnel: Funnel) -> Iterator[dict[str, Any]]:
    """Yield the records that are kept, and count all others."""
    orders: Counter[int] = Counter()
    unreadable: Counter[str] = Counter()
    for labelled in watched(stream_labelled(path), "filter"):
        funnel.read += 1
        orders[len(labelled.answers)] += 1
        if (reason := rules.reason_to_drop(labelled)) is not None:
            funnel.drop(reason)
            if reason == UNREADABLE:
                unreadable.update({answer.source for answer in labelled.answers})
            continue
        funnel.kept += 1
        answer = chosen(labelled)
        yield pair_record(labelled.pair) | {
            "verdict": answer.verdict,
            "reason": answer.reason,
            "reference": answer.reference,
            "source": answer.source,
        }
    funnel.notes["labels of one order, whose order could not be checked"] = orders[1]
    funnel.notes["unreadable by source"] = dict(sorted(unreadable.items()))
    funnel.notes["dropped by evaluation set"] = {
        name: f"{count} examples, {len(rules.prompts_per_set[name])} prompts"
        for name, count in sorted(rules.per_set.items())
    }


def token_counter(tokenizer: Path | None, bytes_per_token: float) -> Callable[[str], int]:
    """How long a target is: by a tokenizer's folder, else estimated from its bytes.

    Raises:
        InputError: the folder holds no tokenizer.
    """
    if tokenizer is None:
        return lambda text: math.ceil(len(text.encode("utf-8", "replace")) / bytes_per_token)
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(str(tokenizer), local_files_only=True)
    except Exception as error:  # the library raises whatever its parts do
        raise InputError(
            f"--tokenizer {tokenizer}: holds no tokenizer ({error}). Name a model's folder."
        ) from None
    return lambda text: len(found(text, add_special_tokens=False, verbose=False)["input_ids"])


def evaluation_files(told: Sequence[Path], *, none: bool, data_dir: Path | None) -> list[Path]:
    """Which evaluation sets are looked at: the ones told, else the PandaLM test set.

    Raises:
        UsageError: there are none, and that was not asked for.
    """
    if none:
        if told:
            raise UsageError("--no-evaluation and --evaluation exclude each other.")
        return []
    if told:
        return list(told)
    try:
        return [locate(TEST_SET, data_dir)]
    except InputError as error:
        raise UsageError(
            f"no evaluation set to keep out of the training data: {error} Or name others with "
            "--evaluation FILE, or train on whatever there is with --no-evaluation."
        ) from None


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and filter."""
    told = build_parser().parse_args(arguments)
    if not 0 < told.threshold <= 1:
        raise UsageError(f"--threshold {told.threshold}: a number in (0, 1] is needed.")
    if told.bytes_per_token <= 0:
        raise UsageError(f"--bytes_per_token {told.bytes_per_token}: must be above 0.")
    files = evaluation_files(told.evaluation, none=told.no_evaluation, data_dir=told.data_dir)
    step = Step(
        name="filter",
        outputs=(told.output,),
        inputs=(told.labelled, *files),
        settings={
            "max_target_tokens": told.max_target_tokens,
            "max_prompt_tokens": told.max_prompt_tokens,
            "tokenizer": str(told.tokenizer) if told.tokenizer else None,
            "bytes_per_token": None if told.tokenizer else told.bytes_per_token,
            "threshold": told.threshold,
            "keep_identical": told.keep_identical,
            "evaluation": [path.name for path in files],
        },
    )

    def work(outputs: Sequence[TextIO]) -> Funnel:
        sets: dict[str, list[Prompt]] = {}
        for path in files:
            sets.setdefault(path.name, []).extend(read_evaluation(path))
        rules = Rules(
            contamination=Contamination(sets) if sets else None,
            count_tokens=token_counter(told.tokenizer, told.bytes_per_token),
            max_target_tokens=told.max_target_tokens,
            max_prompt_tokens=told.max_prompt_tokens,
            threshold=told.threshold,
            keep_identical=told.keep_identical,
        )
        funnel = Funnel.of("filter", REASONS)
        if not sets:
            funnel.notes["evaluation sets"] = "none were looked at (--no-evaluation)"
        for record in filtered(told.labelled, rules, funnel):
            write_record(outputs[0], record)
        if not funnel.kept:
            raise InputError(
                f"{told.labelled}: no example is left.\n{funnel.table()}\nLoosen the rule that "
                "takes most, or label other pairs."
            )
        return funnel

    step.run(work, again=told.again)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train_judge.filter", description="Leave out what no judge should learn."
    )
    parser.add_argument("labelled", type=Path, metavar="LABELLED", help="what `label` wrote")
    add_output(parser, "JSONL of the examples that are kept")
    parser.add_argument(
        *("--evaluation",),
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="evaluation sets whose prompts are kept out (default: the PandaLM test set)",
    )
    parser.add_argument(
        "--no-evaluation", action="store_true", help="filter without any evaluation set"
    )
    parser.add_argument("--data_dir", type=Path, metavar="DIR", help="the data folder")
    parser.add_argument(
        *("--max_target_tokens",),
        type=int,
        default=MAX_TARGET_TOKENS,
        metavar="N",
        help="longest target that is kept (default: %(default)s)",
    )
    parser.add_argument(
        *("--max_prompt_tokens",),
        type=int,
        metavar="N",
        help="longest prompt that is kept (default: any; training shortens responses to fit)",
    )
    parser.add_argument(
        "--tokenizer", type=Path, metavar="DIR", help="counts the tokens of targets and prompts"
    )
    parser.add_argument(
        *("--bytes_per_token",),
        type=float,
        default=BYTES_PER_TOKEN,
        metavar="X",
        help="the estimate without a tokenizer (default: %(default)s)",
    )
    parser.add_argument(
        *("--threshold",),
        type=float,
        default=THRESHOLD,
        metavar="X",
        help="similarity from which pairs are near duplicates (default: %(default)s)",
    )
    parser.add_argument(
        *("--keep_identical",),
        action="store_true",
        help="keep identical responses that are labelled a tie: some sources have no other ties",
    )
    return parser


if __name__ == "__main__":
    sys.exit(command(main))
