"""`python -m train_judge.pairs`: pairs of candidates' responses, for a teacher to judge.

    python -m train_judge.pairs answers/*.json -o pairs.jsonl --size 300000

All pairs of candidates over each prompt, or a random part of them. Which response is response 1 is
drawn, half of the pairs each way; `label` asks its teacher in both orders anyway.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from pandalm_eval.domains.questions import draw
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import Pair
from pandalm_eval.responses import Candidate, read_candidate, read_candidates
from train_judge.funnel import Funnel
from train_judge.labelled import pair_record
from train_judge.steps import Step, add_output, command, watched, write_record

UNANSWERED = "one candidate has no answer"
SAME = "identical or empty responses"
NOT_DRAWN = "not drawn"


def candidate_pairs(
    candidates: Sequence[Candidate], funnel: Funnel
) -> Iterator[tuple[Prompt, Candidate, Candidate]]:
    """Yield prompt and two candidates that answered it, all that a teacher can tell apart."""
    by_name = sorted(candidates, key=lambda candidate: candidate.name)
    prompts = dict.fromkeys(prompt for one in by_name for prompt in one.answers)
    for prompt in watched(prompts, "pairs", len(prompts)):
        for one, two in itertools.combinations(by_name, 2):
            funnel.read += 1
            if prompt not in one.answers or prompt not in two.answers:
                funnel.drop(UNANSWERED)
                continue
            texts = one.answers[prompt].strip(), two.answers[prompt].strip()
            if not all(texts) or texts[0] == texts[1]:
                funnel.drop(SAME)
            else:
                yield prompt, one, two


def drawn(
    found: Iterable[tuple[Prompt, Candidate, Candidate]], size: int | None, seed: int
) -> Iterator[Pair]:
    """Yield a random part in a random order; memory grows with `size` alone.

    A pair's place in the draw depends on the seed, its prompt and its candidates' names, not on the
    order of files or records. The first n of a larger draw are the draw of n.
    """
    places = ((draw(seed, p.id, a.name, b.name), p, a, b) for p, a, b in found)
    if size is None:
        chosen = sorted(places, key=lambda place: place[0])
    else:
        chosen = heapq.nsmallest(size, places, key=lambda place: place[0])
    for number, (_, prompt, one, two) in enumerate(chosen):
        if number % 2:  # every other one, since their order is random already
            one, two = two, one
        yield Pair(
            id=f"{prompt.id}:{one.name}:{two.name}",
            prompt_id=prompt.id,
            instruction=prompt.instruction,
            input=prompt.input,
            response1=one.answers[prompt],
            response2=two.answers[prompt],
            model1=one.name,
            model2=two.name,
        )


def write_pairs(
    candidates: Sequence[Candidate], size: int | None, seed: int, output: TextIO
) -> Funnel:
    """Write the pairs; returns the funnel.

    Raises:
        InputError: fewer than two candidates, or no pair to judge.
    """
    if len(candidates) < 2:
        raise InputError(
            f"pairs need two candidates, but there is only {candidates[0].name}. Name more files."
        )
    funnel, first = Funnel.of("pairs", (UNANSWERED, SAME, NOT_DRAWN)), Counter[str]()
    for pair in drawn(candidate_pairs(candidates, funnel), size, seed):
        funnel.kept += 1
        first[str(pair.model1)] += 1
        write_record(output, pair_record(pair))
    funnel.drop(NOT_DRAWN, funnel.read - sum(funnel.dropped.values()) - funnel.kept)
    if not funnel.kept:
        raise InputError(
            f"no pair is left to judge.\n{funnel.table()}\nName candidates that answered the same "
            "prompts, and differently."
        )
    funnel.notes["response 1 is of"] = dict(sorted(first.items()))
    return funnel


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and draw."""
    told = build_parser().parse_args(arguments)
    if told.size is not None and told.size < 1:
        raise UsageError(f"--size {told.size}: at least one pair is needed.")
    candidates = read_named(told.responses, told.prompts)
    step = Step(
        name="pairs",
        outputs=(told.output,),
        inputs=tuple(sorted(candidate.path for candidate in candidates)),
        settings={
            "size": told.size,
            "seed": told.seed,
            "candidates": sorted(candidate.name for candidate in candidates),
        },
    )
    step.run(
        lambda outputs: write_pairs(candidates, told.size, told.seed, outputs[0]),
        again=told.again,
    )


def read_named(words: Sequence[str], prompts: Path | None) -> list[Candidate]:
    """Candidates of files, folders or globs; NAME=FILE names one."""
    plain = [word for word in words if "=" not in word or Path(word).exists()]
    named = [word.partition("=")[::2] for word in words if word not in plain]
    candidates = read_candidates(plain, prompts) if plain else []
    candidates += [read_candidate(Path(file).expanduser(), name, prompts) for name, file in named]
    names = Counter(candidate.name for candidate in candidates)
    if doubled := [name for name, count in names.items() if count > 1]:
        raise InputError(f"two files are of one candidate: {doubled[0]}. Name one: NAME=FILE.")
    return candidates


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train_judge.pairs",
        description="Pairs of candidates' responses, for a teacher to judge.",
    )
    parser.add_argument(
        "responses", nargs="+", metavar="[NAME=]FILE", help="response files, folders or globs"
    )
    add_output(parser, "JSONL of the pairs")
    parser.add_argument(
        "--size", type=int, metavar="N", help="how many are drawn (default: all of them)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: %(default)s)")
    parser.add_argument(
        *("--prompts",),
        type=Path,
        metavar="FILE",
        help="the prompt file whose order a plain list of responses has",
    )
    return parser


if __name__ == "__main__":
    sys.exit(command(main))
