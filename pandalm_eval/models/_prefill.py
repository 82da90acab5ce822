"""Prompts into keys and values, each shared beginning computed once.

Both orders of a pair begin alike, up to the first response, and so do all pairs of a prompt. The
prompts of a batch make a tree of their beginnings; its tokens go through the model in one packed
row without padding, each seeing only the tokens on its own way from the root.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from pandalm_eval.models._tree_attention import Branch, reads_trees

# Tokens of a packed row: more share more and fill a device better, and take more memory.
TOKENS_PER_PACK = 2048
# Prompts that share at least this much are kept in one batch.
LEAST_SHARED = 32

Ids = list[int]


def families(rows: Sequence[Ids]) -> Iterator[list[int]]:
    """Yield the places of rows that share a beginning of at least `LEAST_SHARED` ids.

    >>> list(families([[1] * 40 + [2], [3] * 9, [1] * 40]))
    [[2, 0], [1]]
    """
    order = sorted(range(len(rows)), key=lambda place: rows[place])
    family = order[:1]
    for before, place in pairwise(order):
        if _common(rows[before], rows[place]) < LEAST_SHARED:
            yield family
            family = []
        family.append(place)
    if family:
        yield family


def _common(one: Ids, other: Ids) -> int:
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


class Pack:
    """Rows as a tree of tokens in one sequence.

    Attributes:
        ids, positions: one a token of the tree; a position is the depth in the tree.
        paths: by row's place, where each of its tokens stands in `ids`.
        starts: by row's place, where the tokens begin that the rows before it do not have.
    """

    def __init__(self, rows: Sequence[Ids], places: Sequence[int]) -> None:
        """`places` are those of `rows` to pack, sorted by their ids."""
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.paths: dict[int, list[int]] = {}
        self.starts: dict[int, int] = {}
        before: list[int] = []
        for place, shared in zip(places, _shared(rows, places), strict=True):
            row, start = rows[place], len(self.ids)
            self.ids += row[shared:]
            self.positions += range(shared, len(row))
            self.starts[place] = start
            before = self.paths[place] = [*before[:shared], *range(start, len(self.ids))]

    def branches(self, device: torch.device) -> list[Branch]:
        """The tokens of the tree, each in one branch."""
        return [
            Branch.of(start, self.paths[place], device)
            for place, start in self.starts.items()
            if start <= self.paths[place][-1]  # else all of the row is shared
        ]


def _shared(rows: Sequence[Ids], places: Sequence[int]) -> list[int]:
    """Return how many ids each row shares with the one before it."""
    return [0, *(_common(rows[one], rows[two]) for one, two in pairwise(places))][: len(places)]


def _tree_size(rows: Sequence[Ids], places: Sequence[int]) -> int:
    return sum(len(rows[place]) for place in places) - sum(_shared(rows, places))


def packed(rows: Sequence[Ids]) -> Iterator[Pack]:
    """Yield the rows in packs; a row longer than `TOKENS_PER_PACK` gets one of its own."""
    group: list[int] = []
    for family in families(rows):
        if group and _tree_size(rows, group + family) > TOKENS_PER_PACK:
            yield Pack(rows, group)
            group = []
        for place in family:
            if group and _tree_size(rows, [*group, place]) > TOKENS_PER_PACK:
                yield Pack(rows, group)
                group = []
            group.append(place)
    if group:
        yield Pack(rows, group)


class Prefill:
    """A model as a reader of prompts.

    Attributes:
        cache_name: the model's word for keys and values of tokens that it has read.
        works: whether it reads packed rows as it reads plain ones.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        base = model.get_base_model() if hasattr(model, "peft_config") else model
        accepted = inspect.signature(base.forward).parameters
        # transformers 5.24 renamed it, for arguments and outputs alike.
        self.cache_name = "cache" if "cache" in accepted else "past_key_values"
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self.works = (
            "position_ids" in accepted
            and any(one.kind is one.VAR_KEYWORD for one in accepted.values())
            and _forgets_nothing(model)
            and self._packs_as_plain()
        )

    @torch.inference_mode()
    def __call__(self, rows: Sequence[Ids]) -> DynamicCache:
        """Return the keys and values of `rows`, each of one token or more, left-padded."""
        width = max(map(len, rows))
        layers: list[list[torch.Tensor]] = []
        for pack in packed(rows):
            made = self._read(pack)
            if not layers:
                layers = [
                    [part.new_zeros(len(rows), part.shape[1], width, part.shape[3]) for part in kv]
                    for kv in made
                ]
            for place, path in pack.paths.items():
                index = torch.tensor(path, device=self._model.device)
                for layer, kv in zip(layers, made, strict=True):
                    for whole, part in zip(layer, kv, strict=True):
                        whole[place, :, width - len(path) :] = part[0].index_select(1, index)
        return DynamicCache([tuple(layer) for layer in layers])

    def _read(self, pack: Pack) -> list[tuple[torch.Tensor, torch.Tensor]]:
        device = self._model.device
        with reads_trees(self._model):
            output = self._model(
                input_ids=torch.tensor([pack.ids], device=device),
                position_ids=torch.tensor([pack.positions], device=device),
                use_cache=True,
                branches=pack.branches(device),
                **self._last_only,
            )
        return [(layer.keys, layer.values) for layer in output[self.cache_name].layers]

    def _packs_as_plain(self) -> bool:
        """Whether packed rows give what each gives alone; not every architecture heeds branches."""
        rows = [[3, 4, 5, 6, 7], [3, 4, 6, 5], [8, 4]]
        try:
            ours = self(rows).layers[-1].keys
        except NotImplementedError:
            return False
        for row, place in zip(rows, ours, strict=True):
            ids = torch.tensor([row], device=self._model.device)
            with torch.inference_mode():
                output = self._model(input_ids=ids, use_cache=True)
            plain = output[self.cache_name].layers[-1].keys
            own = place[:, -len(row) :].float()
            if not torch.allclose(own, plain[0].float(), rtol=0.05, atol=0.05 * own.abs().max()):
                return False
        return True


def _forgets_nothing(model: Any) -> bool:
    """Whether every layer keeps all keys and values; sliding and recurrent ones do not."""
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
