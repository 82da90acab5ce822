"""`python -m train_judge.filter`: leave out what a judge should not learn from.

    python -m train_judge.filter labelled.jsonl -o filtered.jsonl

In this order, each counted under its own name: answers that could not be read, verdicts that change
with the order, identical or empty responses, reasons that speak for another verdict, overlong
targets, duplicates, near duplicates, and prompts of evaluation sets.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pandalm_eval.data import locate
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.human import TEST_SET
from pandalm_eval.instructions import Prompt
from pandalm_eval.prompts import target
from pandalm_eval.verdicts import Verdict
from train_judge.contamination import Contamination, read_evaluation
from train_judge.contradictions import contradicts
from train_judge.duplicates import THRESHOLD, NearDuplicates, exact_key
from train_judge.funnel import Funnel
from train_judge.labelled import Answer, Labelled, Order, pair_record, stream_labelled
from train_judge.steps import Step, add_output, command, watched, write_record

MAX_TARGET_TOKENS = 512
"""What upstream's judge may write."""

BYTES_PER_TOKEN = 4.0
"""An estimate for English under today's tokenizers; name a tokenizer to count."""

UNREADABLE = "unreadable answers"
CHANGES = "verdict changes with the order"
SAME = "identical or empty responses"
CONTRADICTS = "reason contradicts the verdict"
OVERLONG = "overlong target"
EXACT = "exact duplicate"
NEAR = "near duplicate"
CONTAMINATED = "prompt of an evaluation set"
REASONS = (UNREADABLE, CHANGES, SAME, CONTRADICTS, OVERLONG, EXACT, NEAR, CONTAMINATED)


@dataclass
class Filter:
    """The rules with what they have to remember.

    Attributes:
        contamination: the evaluation sets; None where none are to be looked at.
        count_tokens: of a target.
        max_target_tokens: the longest target that is kept.
        threshold: from which similarity on pairs are near duplicates.
    """

    contamination: Contamination | None
    count_tokens: Callable[[str], int]
    max_target_tokens: int = MAX_TARGET_TOKENS
    threshold: float = THRESHOLD
    per_set: Counter[str] = field(default_factory=Counter)
    prompts_per_set: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen: set[int] = set()
        self._near = NearDuplicates(self.threshold)

    def reason_to_drop(self, labelled: Labelled) -> str | None:
        """The first rule that a pair breaks; None where it is kept, and remembered."""
        pair, answer = labelled.pair, chosen(labelled)
        if any(one.verdict is Verdict.INVALID for one in labelled.answers):
            return UNREADABLE
        if len({one.verdict for one in labelled.answers}) > 1:
            return CHANGES
        one, two = pair.response1.strip(), pair.response2.strip()
        if not one or not two or one == two:
            return SAME
        if contradicts(answer.reason, answer.verdict):
            return CONTRADICTS
        learnt = target(answer.verdict, answer.reason, answer.reference)
        if self.count_tokens(learnt) > self.max_target_tokens:
            return OVERLONG
        if (key := exact_key(pair)) in self._seen:
            return EXACT
        self._seen.add(key)
        if not self._near.is_new(pair):
            return NEAR
        return CONTAMINATED if self._is_contaminated(labelled) else None

    def _is_contaminated(self, labelled: Labelled) -> bool:
        if self.contamination is None:
            return False
        prompt = Prompt(labelled.pair.instruction, labelled.pair.input)
        names = self.contamination.holding(prompt)
        self.per_set.update(names)
        for name in names:
            self.prompts_per_set.setdefault(name, set()).add(prompt.id)
        return bool(names)


def chosen(labelled: Labelled) -> Answer:
    """The answer that is learnt from: the one to the pair's own order, where there is one."""
    return min(labelled.answers, key=lambda answer: answer.order is not Order.FORWARD)


def filtered(path: Path, rules: Filter, funnel: Funnel) -> Iterator[dict[str, Any]]:
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
        return lambda text: round(len(text.encode("utf-8", "replace")) / bytes_per_token)
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
    told = _parser().parse_args(arguments)
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
            "tokenizer": str(told.tokenizer) if told.tokenizer else None,
            "bytes_per_token": None if told.tokenizer else told.bytes_per_token,
            "threshold": told.threshold,
            "evaluation": [path.name for path in files],
        },
    )

    def work(outputs: Sequence[TextIO]) -> Funnel:
        sets = {path.name: read_evaluation(path) for path in files}
        rules = Filter(
            contamination=Contamination(sets) if sets else None,
            count_tokens=token_counter(told.tokenizer, told.bytes_per_token),
            max_target_tokens=told.max_target_tokens,
            threshold=told.threshold,
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train_judge.filter", description="Leave out what no judge should learn."
    )
    parser.add_argument("labelled", type=Path, metavar="LABELLED", help="what `label` wrote")
    add_output(parser, "JSONL of the examples that are kept")
    parser.add_argument(
        *("--evaluation",),
        nargs="+",
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
        "--tokenizer", type=Path, metavar="DIR", help="counts the tokens of targets"
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
    return parser


if __name__ == "__main__":
    sys.exit(command(main))
