"""`python -m train_judge.export`: the examples as a trainer reads them, split by prompt.

    python -m train_judge.export filtered.jsonl -o data --validation 80

Writes `train.jsonl`, `validation.jsonl` and a data card `README.md` into the folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.prompts import Fields, PromptStyle, render, target
from pandalm_eval.records import stream_records
from train_judge.data_card import Part, data_card
from train_judge.examples import Example, read_example
from train_judge.funnel import Funnel, earlier
from train_judge.split import Split
from train_judge.steps import Step, add_output, command, watched, write_record

TRAIN, VALIDATION, CARD = "train.jsonl", "validation.jsonl", "README.md"

_TEXTS = ("instruction", "input", "response1", "response2", "verdict", "reason", "reference")


def sequences(example: Example) -> tuple[str, str]:
    """Upstream's `input_sequence` and `output_sequence`: the judge's prompt and its target."""
    texts = example.instruction, example.input, example.response1, example.response2
    prompt = render(PromptStyle.PANDALM, Fields.clean(*texts))
    return prompt, target(example.verdict, example.reason, example.reference)


def _stream(path: Path) -> Iterator[tuple[Example, str]]:
    for number, record in enumerate(stream_records(path)):
        source = record.get("source") or path.stem
        yield read_example(path, number, record), str(source)


def export(path: Path, split: Split, outputs: Sequence[TextIO], licences: dict[str, str]) -> Funnel:
    """Write train, validation and card; returns the funnel.

    Raises:
        InputError: a record at fault, or no example is left to train on.
    """
    funnel = Funnel.of("export", ())
    first = watched(_stream(path), "export: prompts")
    limit = split.limit(split.draw(one.instruction, one.input) for one, _ in first)
    parts = {TRAIN: Part(), VALIDATION: Part()}
    files = dict(zip(parts, outputs[:2], strict=True))
    for example, source in watched(_stream(path), "export"):
        funnel.read += 1
        place = split.draw(example.instruction, example.input)
        name = VALIDATION if place < limit else TRAIN
        input_sequence, output_sequence = sequences(example)
        parts[name].add(example, place, source, output_sequence)
        record = {field: getattr(example, field) for field in _TEXTS}
        record |= {"input_sequence": input_sequence, "output_sequence": output_sequence}
        write_record(files[name], record)
    funnel.kept = funnel.read
    for name, part in parts.items():
        funnel.notes[name] = f"{part.examples} examples, {len(part.prompts)} prompts"
    before = [Funnel.from_record(record) for record in earlier([path])]
    if not parts[TRAIN].examples:
        told = "\n".join(one.table() for one in [*before, funnel])
        raise InputError(f"{path}: no example is left to train on.\n{told}")
    if limit > 0 and not parts[VALIDATION].examples:
        funnel.notes["too few prompts"] = "none fell to the share of --validation; name a number"
    outputs[2].write(data_card(parts, [*before, funnel], licences))
    return funnel


def read_licences(told: Sequence[str]) -> dict[str, str]:
    """{source: licence} of words SOURCE=NAME; a UsageError where a word is none."""
    licences = dict(word.partition("=")[::2] for word in told)
    if wrong := [word for word in told if not all(word.partition("="))]:
        raise UsageError(f"--licence {wrong[0]!r}: write SOURCE=NAME, as in my-teacher=MIT.")
    return licences


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and export."""
    told = build_parser().parse_args(arguments)
    split, licences = Split(told.validation, told.seed), read_licences(told.licence)
    step = Step(
        name="export",
        outputs=tuple(told.output / name for name in (TRAIN, VALIDATION, CARD)),
        inputs=(told.filtered,),
        settings={"validation": told.validation, "seed": told.seed, "licences": licences},
    )
    step.run(
        lambda outputs: export(told.filtered, split, outputs, licences),
        again=told.again,
    )


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train_judge.export",
        description="The examples as a trainer reads them, split by prompt, with a data card.",
    )
    parser.add_argument("filtered", type=Path, metavar="FILTERED", help="what `filter` wrote")
    add_output(parser, f"folder of {TRAIN}, {VALIDATION} and {CARD}", metavar="DIR")
    parser.add_argument(
        *("--validation",),
        default="0.02",
        metavar="N",
        help="prompts for validation: a number, or a share with a decimal point "
        "(default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: %(default)s)")
    parser.add_argument(
        *("--licence",),
        nargs="+",
        action="extend",
        default=[],
        metavar="SOURCE=NAME",
        help="licences for the data card, by the source of the labels",
    )
    return parser


if __name__ == "__main__":
    sys.exit(command(main))
