"""Processes of a training: how many, which one this is, and how they share an update."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import torch

from pandalm_eval.errors import InputError, UsageError
from train_judge.config import Config

_SHIPPED = Path(__file__).parent / "configs"


def prepare() -> None:
    """Tell DeepSpeed what it would else look for, and print that it did."""
    if on_cpu():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def processes() -> int:
    """Number of processes, as torchrun, accelerate and deepspeed tell it."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_first() -> bool:
    """Whether this process writes files and messages."""
    return int(os.environ.get("RANK", 0)) == 0


def on_cpu() -> bool:
    """Whether no accelerator is there."""
    return not torch.accelerator.is_available()


def accumulation(config: Config) -> int:
    """Passes that each process makes for one update, so that `batch` is the same on any number.

    Raises:
        UsageError: the batch cannot be shared evenly.
    """
    at_once = config.micro_batch * processes()
    if config.batch % at_once:
        raise UsageError(
            f"batch is {config.batch}, but {processes()} processes with micro_batch "
            f"{config.micro_batch} take {at_once} examples at once. Make batch a multiple of that."
        )
    return config.batch // at_once


def deepspeed_file(told: str | None) -> str | None:
    """The path of a DeepSpeed configuration: a shipped one's, by its name, or the user's own.

    Raises:
        UsageError: neither a shipped name nor a file.
        InputError: DeepSpeed is not installed.
    """
    if told is None:
        return None
    shipped = {path.stem: path for path in _SHIPPED.glob("zero*.json")}
    path = shipped.get(told, Path(told))
    if not path.is_file():
        raise UsageError(
            f"deepspeed is {told!r}: neither one of {', '.join(sorted(shipped))} nor a file."
        )
    try:
        import deepspeed  # noqa: F401
    except ImportError as error:
        raise InputError(
            "deepspeed is not installed: pip install 'pandalm_eval[train]'."
        ) from error
    if "RANK" not in os.environ:
        _stand_alone()
    return str(path)


def join(device: torch.device, deepspeed_config: str | None) -> None:
    """Let DeepSpeed know the processes: with ZeRO-3 it splits weights while they are loaded."""
    if deepspeed_config is not None:
        from deepspeed import init_distributed

        init_distributed("gloo" if device.type == "cpu" else None, verbose=False)


def _stand_alone() -> None:
    """What a launcher would set: without it, DeepSpeed looks for MPI."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
    }
