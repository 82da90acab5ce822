from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.errors import UsageError
from train_judge.config import Config, Swap
from train_judge.order import learning_order


def config(**changes: object) -> Config:
    told = {"epochs": 2, "batch": 4, "micro_batch": 2, **changes}
    return Config(pretrained="b", train="t", output="o", **told)  # type: ignore[arg-type]


LENGTHS = st.lists(st.integers(1, 1000), min_size=4, max_size=90).map(np.array)


@given(LENGTHS, st.sampled_from(list(Swap)), st.booleans(), st.integers(0, 3))
def test_each_epoch_has_every_example_as_often_as_asked_for(
    lengths: np.ndarray, swap: Swap, grouped: bool, seed: int
) -> None:
    told = config(swap=swap, group_by_length=grouped, seed=seed)
    places, swaps = learning_order(lengths, told)
    size = len(lengths) * (2 if swap is Swap.BOTH else 1)
    whole = size - size % 4
    assert len(places) == len(swaps) == 2 * whole
    for epoch in (slice(0, whole), slice(whole, None)):
        seen = list(zip(places[epoch], swaps[epoch], strict=True))
        assert len(set(seen)) == whole  # none twice; fewer than a batch are left out
        if swap is Swap.NONE:
            assert not swaps[epoch].any()


def test_the_seed_alone_decides() -> None:
    lengths = np.arange(1, 65)
    one, other = (learning_order(lengths, config(seed=seed)) for seed in (1, 2))
    again = learning_order(lengths, config(seed=1))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_epochs_differ_in_order_and_swaps() -> None:
    places, swaps = learning_order(np.full(64, 7), config())
    assert not np.array_equal(places[:64], places[64:])
    by_example = [dict(zip(places[h], swaps[h], strict=True)) for h in (slice(64), slice(64, None))]
    assert by_example[0] != by_example[1]
    assert 16 < swaps[:64].sum() < 48  # about a half


def test_passes_are_alike_in_length_and_random_in_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 1000, 512)
    told = config(batch=8, micro_batch=8, epochs=1)
    grouped, _ = learning_order(lengths, told)
    plain, _ = learning_order(
        lengths, config(batch=8, micro_batch=8, epochs=1, group_by_length=False)
    )

    def waste(places: np.ndarray) -> float:
        passes = lengths[places].reshape(-1, 8)
        return float(1 - passes.sum() / (passes.max(1) * 8).sum())

    assert waste(grouped) < 0.1 < 0.3 < waste(plain)
    means = lengths[grouped].reshape(-1, 8).mean(1)
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


def test_fewer_examples_than_a_batch_are_refused() -> None:
    with pytest.raises(UsageError, match="batch is 4, but there are 3 examples"):
        learning_order(np.array([1, 2, 3]), config())
