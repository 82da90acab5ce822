"""In which order examples are learnt: drawn once from the seed, for all epochs.

The whole order stands before training begins, so that a resumed training goes on with exactly the
example that would have come next, on any number of processes.
"""

from __future__ import annotations

import numpy as np

from pandalm_eval.errors import UsageError
from train_judge.config import Config, Swap

_GROUPED = 32  # passes whose examples are sorted together


def learning_order(lengths: np.ndarray, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Which example comes when, and whether it is swapped.

    Args:
        lengths: of every example, in any unit.

    Returns:
        Places of examples (int64) and swaps (bool), both of shape [epochs × updates × batch]. Each
        epoch has every example (with `swap: both` in both orders) in an order of its own; those
        left over after the last whole update of an epoch are left out, others each time. With
        `group_by_length` the examples of one pass are of like length, and the order of passes is
        random.

    Raises:
        UsageError: fewer examples than one update takes.
    """
    doubled = config.swap is Swap.BOTH
    size = len(lengths) * (2 if doubled else 1)
    if size < config.batch:
        raise UsageError(
            f"batch is {config.batch}, but there are {size} examples in an epoch. Take a smaller "
            "batch, or more data."
        )
    places, swaps = [], []
    for epoch in range(config.epochs):
        random = np.random.default_rng([config.seed, epoch])
        drawn = random.permutation(size)[: size - size % config.batch]
        if config.group_by_length:
            drawn = _grouped(drawn, lengths, config.micro_batch, random)
        places.append(drawn % len(lengths))
        if config.swap is Swap.RANDOM:
            # By example, so that the draw does not hang on the order.
            swaps.append(random.random(len(lengths))[drawn % len(lengths)] < 0.5)
        else:
            swaps.append(drawn >= len(lengths))
    return np.concatenate(places), np.concatenate(swaps)


def _grouped(
    drawn: np.ndarray, lengths: np.ndarray, pass_size: int, random: np.random.Generator
) -> np.ndarray:
    """The same examples, those of a pass alike in length, passes shuffled."""
    window = pass_size * _GROUPED
    parts = [drawn[start : start + window] for start in range(0, len(drawn), window)]
    by_length = [part[np.argsort(lengths[part % len(lengths)], kind="stable")] for part in parts]
    return random.permutation(np.concatenate(by_length).reshape(-1, pass_size)).ravel()
