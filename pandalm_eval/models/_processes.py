"""Several processes, one evaluation: what the harness asks of a model to split documents."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import torch
from lm_eval.api.model import LM


class SplitLM(LM):
    """A model that runs in every process of `accelerate launch` or `torchrun`, CPU included.

    The stock `hf` model reports rank and world size only where it sees an accelerator; this one
    does so wherever a launcher has set `WORLD_SIZE`, over gloo on CPU. There the launcher is
    `torchrun`: `accelerate launch --cpu --num_processes N` starts a single process (1.15).
    """

    def __init__(self) -> None:
        super().__init__()
        self._device: torch.device = torch.device("cpu")

    def _join(self, device: str | None) -> None:
        """Set device, rank and world size; join the launcher's process group, if there is one.

        Args:
            device: a torch device; None for the accelerator if there is one, else the CPU.
                Under a launcher, each process gets the accelerator of its local rank.
        """
        # The harness's own default is "cuda:0", which it means as "if there is one"; so do we.
        on_cpu = not torch.accelerator.is_available() or (device or "").startswith("cpu")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            launched_on_cpu = os.environ.get("ACCELERATE_USE_CPU", "false").lower() == "true"
            # One process may be done hours before another: the default of 30 minutes would
            # abort the run at the gather.
            state = PartialState(cpu=on_cpu or launched_on_cpu, timeout=timedelta(weeks=52))
            self._rank, self._world_size = state.process_index, state.num_processes
            self._device = state.device
        elif device is not None and not (device.startswith("cuda") and on_cpu):
            self._device = torch.device(device)
        else:
            found = None if on_cpu else torch.accelerator.current_accelerator()
            self._device = found or torch.device("cpu")

    @property
    def device(self) -> torch.device:
        return self._device

    def all_gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """Concatenate the equally shaped tensors of all ranks along their first dimension.

        A scalar counts as a vector of one; with a single process the tensor comes back as it is.
        """
        if self.world_size == 1:
            return tensor
        mine = tensor.reshape(1) if tensor.ndim == 0 else tensor.contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.world_size)]
        torch.distributed.all_gather(parts, mine)
        return torch.cat(parts)

    def gather_object(self, obj: Any, dst: int = 0) -> list[Any] | None:
        """Return the objects of all ranks, in the order of ranks, on rank `dst`; None elsewhere."""
        if self.world_size == 1:
            return [obj]
        parts: list[Any] | None = [None] * self.world_size if self.rank == dst else None
        torch.distributed.gather_object(obj, parts, dst=dst)
        return parts

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.world_size > 1:
            torch.distributed.barrier()
