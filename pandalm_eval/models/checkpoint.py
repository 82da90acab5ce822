"""A judge's weights and tokenizer: where they come from and how they are loaded.

Everything that can be wrong with a folder, a hub name or an adapter ends here, as an
`InputError` that says what to put where.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pandalm_eval.errors import InputError, UsageError, listing


@dataclass(frozen=True)
class Checkpoint:
    """A causal language model as `--model_args` describe it.

    Attributes:
        pretrained: a folder in the transformers layout, a folder with a GGUF file, or a hub name.
        revision: branch, tag or commit on the hub; None for its default.
        tokenizer: folder or hub name of another tokenizer; None for the checkpoint's own.
        gguf_file: name of the GGUF file inside `pretrained`; its weights are unpacked on load.
        peft: folder or hub name of a PEFT adapter, kept unmerged.
        dtype: a torch dtype's name, or `auto` for the one that the weights are stored in
            (float32 for GGUF).
        trust_remote_code: whether code that comes with the checkpoint may run.
    """

    pretrained: str
    revision: str | None = None
    tokenizer: str | None = None
    gguf_file: str | None = None
    peft: str | None = None
    dtype: str = "auto"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        _dtype(self.dtype)
        for argument in ("pretrained", "tokenizer", "peft"):
            place = getattr(self, argument)
            if place is not None:
                _require_folder(argument, place)
        folder = Path(self.pretrained).expanduser()
        if not folder.is_dir():
            return
        held = sorted(path.name for path in folder.glob("*.gguf"))
        if self.gguf_file is not None and not (folder / self.gguf_file).is_file():
            raise InputError(
                f"gguf_file={self.gguf_file}: no such file in {folder} (GGUF files there: "
                f"{listing(held) or 'none'}). Name one of them, or put the file there."
            )
        if self.gguf_file is None and not (folder / "config.json").is_file():
            hint = f"pass gguf_file={held[0]}" if held else "save the model there"
            raise InputError(
                f"pretrained={self.pretrained}: no config.json in that folder; {hint}."
            )

    def load_tokenizer(self) -> Any:
        """Return the transformers tokenizer.

        Raises:
            InputError: it cannot be had; the message says what to put where.
        """
        from transformers import AutoTokenizer

        own = self.tokenizer is None
        with _explained("tokenizer", self.tokenizer or self.pretrained, self.revision):
            return AutoTokenizer.from_pretrained(
                _place(self.tokenizer or self.pretrained),
                trust_remote_code=self.trust_remote_code,
                # Revision and GGUF file belong to `pretrained`, not to a tokenizer from elsewhere.
                **self._version(own),
                **({"gguf_file": self.gguf_file} if own and self.gguf_file else {}),
            )

    def load_model(self, *, device: torch.device | None, quiet: bool) -> Any:
        """Return the model in evaluation mode, with a generation configuration of token ids only.

        Args:
            device: where to put it; None spreads it over all accelerators (`device_map="auto"`).
            quiet: whether to hide the progress bar of the weights.

        Raises:
            InputError: it cannot be had; the message says what to put where.
        """
        from transformers import AutoModelForCausalLM

        arguments: dict[str, Any] = {
            "dtype": _dtype(self.dtype),
            "trust_remote_code": self.trust_remote_code,
            **self._version(True),
        }
        if device is None:
            arguments["device_map"] = "auto"
        if self.gguf_file:
            arguments |= {"gguf_file": self.gguf_file, **_unpacked_gguf()}
        with (
            _explained("model", self.pretrained, self.revision),
            # De-quantising counts every tensor on a bar of its own and takes seconds: noise.
            _progress_bars(shown=not (quiet or self.gguf_file)),
        ):
            model = AutoModelForCausalLM.from_pretrained(_place(self.pretrained), **arguments)
        _keep_only_token_ids(model)
        if self.peft:
            model = _with_adapter(model, self.peft)
        if device is not None and device.type != "cpu":  # there it is, or ZeRO-3 has split it
            model = model.to(device)
        return model.eval()

    def _version(self, own: bool) -> dict[str, str]:
        return {"revision": self.revision} if own and self.revision else {}


def _dtype(name: str) -> torch.dtype | str:
    name = name.removeprefix("torch.")
    found = getattr(torch, name, None)
    if name == "auto" or isinstance(found, torch.dtype):
        return name if name == "auto" else found  # type: ignore[return-value]
    raise UsageError(f"dtype={name}: use auto, bfloat16, float16 or float32.")


def _place(place: str) -> str:
    folder = Path(place).expanduser()
    return str(folder) if folder.exists() else place


def _require_folder(argument: str, place: str) -> None:
    """Refuse what can only be a path and is no folder; `owner/name` may still be on the hub."""
    path = Path(place).expanduser()
    if path.is_file():
        hint = f"; pass {argument}={path.parent},gguf_file={path.name}" * (path.suffix == ".gguf")
        raise InputError(f"{argument}={place} is a file, not a folder{hint}.")
    if not path.exists() and (place.startswith((".", "~", "/")) or place.count("/") > 1):
        raise InputError(
            f"{argument}={place}: no such folder. Put there what `save_pretrained` writes "
            "(config, weights, tokenizer), or pass the folder that has it."
        )


@contextlib.contextmanager
def _explained(what: str, place: str, revision: str | None) -> Iterator[None]:
    """Turn what transformers raises for a missing checkpoint into something to act on."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        named = place if revision is None else f"{place} (revision {revision})"
        reason = " ".join(str(error).split())
        if Path(place).expanduser().is_dir():
            todo = "Put a complete causal language model with its tokenizer into that folder."
        else:
            todo = (
                "There is no such folder here either. Go online once, so that it is downloaded, or "
                f"run `hf download {place} --local-dir FOLDER` on a machine that can, copy FOLDER "
                "here and pass its path."
            )
        raise InputError(
            f"cannot load the {what} of {named}. {todo} transformers said: {reason}"
        ) from error


def _unpacked_gguf() -> dict[str, Any]:
    """Ask for plain dense weights: packed ones compute in float32, and bfloat16 is faster."""
    try:
        from transformers import GgufConfig
    except ImportError:  # transformers before 5.2x knows no packed GGUF: it always unpacks
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


@contextlib.contextmanager
def _progress_bars(*, shown: bool) -> Iterator[None]:
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled()
    if not shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if before:
            logging.enable_progress_bar()


def _keep_only_token_ids(model: Any) -> None:
    """Drop the decoding defaults that come with a checkpoint (temperature, penalties, beams).

    `generate` fills everything that a request leaves open from them, so a chat model's
    `repetition_penalty: 1.1` would change its greedy verdicts without a word.
    """
    from transformers import GenerationConfig

    shipped = model.generation_config
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    model.generation_config = GenerationConfig(
        **{name: getattr(shipped, name) for name in names if getattr(shipped, name) is not None}
    )


def _with_adapter(model: Any, place: str) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise InputError(f"peft={place} needs the package peft: pip install peft.") from error
    with _explained("adapter", place, None), warnings.catch_warnings():
        # peft reads an attribute that transformers has renamed: not the user's to mend.
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing", category=FutureWarning
        )
        return PeftModel.from_pretrained(model, _place(place))
