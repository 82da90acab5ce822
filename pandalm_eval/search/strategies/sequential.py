"""PandaLM's own strategy: candidates come one after another, the winner stays."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from pandalm_eval.search.strategies.asking import Asked, Choice, contest, join, resolved
from pandalm_eval.statistics.clusters import Floats


def sequential(
    candidates: int, prompts: int, rng: np.random.Generator, *, blocks: int = 2
) -> Generator[Asked, Floats, Choice]:
    """The winner stays within each block; then the winners of the blocks meet in the same way.

    Every comparison is on all prompts in both orders, `(candidates − 1) · 2 · prompts` readings in
    all, whatever the blocks. The challenger takes over if it wins more prompts than it loses. At
    equal numbers, of which the paper says nothing, the incumbent stays. A prompt with an invalid
    reading counts for nobody. The blocks are as even as possible, in the candidates' order, and go
    forward side by side: a batch is a comparison in each. No chance is involved.

    Args:
        candidates, prompts, rng: as in `asking.Strategy`; rng is not used.
        blocks: the number of blocks; more than candidates are as many as candidates.

    Returns:
        The last winner. `equal`: those that it met with equal numbers of prompts won and lost. No
        error and no strengths: a chain of comparisons gives none.
    """
    drawn: dict[int, set[int]] = {candidate: set() for candidate in range(candidates)}
    queues = [
        block.tolist() for block in np.array_split(np.arange(candidates), min(blocks, candidates))
    ]
    winners = yield from _side_by_side(queues, prompts, drawn)
    (best,) = yield from _side_by_side([winners], prompts, drawn)
    return Choice(best=best, equal=tuple(sorted(drawn[best])))


def _side_by_side(
    queues: list[list[int]], prompts: int, drawn: dict[int, set[int]]
) -> Generator[Asked, Floats, list[int]]:
    """The winner of each queue; notes in `drawn` who met whom at equal numbers."""
    incumbents = [queue[0] for queue in queues]
    for step in range(1, max(map(len, queues))):
        going = [number for number, queue in enumerate(queues) if step < len(queue)]
        meetings = [(incumbents[number], queues[number][step]) for number in going]
        answers = yield join([contest(one, other, prompts) for one, other in meetings])
        for number, (incumbent, challenger), found in zip(
            going, meetings, np.split(answers, len(meetings)), strict=True
        ):
            lead = np.nansum(resolved(found)) * (1 if challenger < incumbent else -1)
            if lead > 0:
                incumbents[number] = challenger
            elif lead == 0:
                drawn[incumbent].add(challenger)
                drawn[challenger].add(incumbent)
    return incumbents
