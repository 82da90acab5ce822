"""A worker: does one training after the other, and lets each of its epochs answer the prompts.

Each training, and each answering, is a process of its own: what kills it (no memory, a driver) ends
that training, with its reason on record, and not the study.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from pandalm_eval.errors import InputError, listing
from pandalm_eval.search import answering
from pandalm_eval.search.study import Study
from pandalm_eval.search.trainings import Claim, Trainings
from train_judge.steps import written

_log = logging.getLogger(__name__)

_POLL = 1.0
"""Seconds between looks at a process."""

_PATIENCE = 10.0
"""Seconds between looks whether another worker's training has become free."""

DIVERGED = "diverged"
"""How the reason of a training begins that went to infinity."""

_REASONS = {
    "the training diverged": DIVERGED,
    "out of memory": "out of memory",
    "OutOfMemoryError": "out of memory",
    "MemoryError": "out of memory",
    "can't allocate memory": "out of memory",
    "No space left on device": "disk full",
    "Disk quota exceeded": "disk full",
}
"""What a failed process says, and what that is."""

_ERROR = re.compile(r"[\w.]+: error: .*")
"""How a command of ours says it; a progress bar may stand before it on the line."""


def work(study: Study) -> None:
    """Do trainings until none is left, here or at another worker.

    Raises:
        InputError: the study's folder cannot be written.
        KeyboardInterrupt: also on SIGTERM; the training can be gone on with.
    """
    study.require_same_data()
    trainings = Trainings(study)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tqdm(total=len(study.space.trainings), desc="trainings", unit="", disable=None) as bar:
            while not _all_done(trainings, bar):
                with trainings.claimed() as claim:
                    if claim is not None:
                        _do(study, trainings, claim, bar)
                        continue
                bar.set_postfix_str("the rest is at work elsewhere")
                time.sleep(_PATIENCE)
    except OSError as error:
        raise InputError(
            f"{error.filename or study.folder}: cannot be written ({error.strerror}). Make room; "
            "the same command goes on."
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _all_done(trainings: Trainings, bar: Any) -> bool:
    final = [state.is_final for state in trainings.states().values()]
    bar.n = sum(final)
    bar.refresh()
    return all(final)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _do(study: Study, trainings: Trainings, claim: Claim, bar: Any) -> None:
    """One training, answered; its end is on record."""
    training = claim.training
    folder = study.training_folder(training)
    start = time.monotonic()
    trained = _train(study, claim, bar)
    answered = _answer(study, claim, bar)
    failure = trained or answered or _unanswered(study, claim)
    if failure is not None:
        trainings.fail(claim, failure)
        _log.warning("%s: %s (%s).", training.name, failure, folder / "log.txt")
    _note_costs(study, claim, time.monotonic() - start)
    if failure is None:
        _tidy(study, claim)
        trainings.complete(claim, _last_loss(folder / "output"))
        _log.info("%s: complete.", training.name)
    elif failure.startswith(DIVERGED):
        _tidy(study, claim)  # its checkpoints lead to the same end


def _unanswered(study: Study, claim: Claim) -> str | None:
    """Which epochs have not answered though nothing failed: a launcher may swallow errors."""
    missing = [name for name, done in study.answered(claim.training).items() if not done]
    return f"ended without the answers of {listing(missing, 3)}" if missing else None


def _train(study: Study, claim: Claim, bar: Any) -> str | None:
    """Train, or go on with it; returns why it failed."""
    folder = study.training_folder(claim.training)
    output = folder / "output"
    output.mkdir(exist_ok=True)
    config = folder / "config.yaml"
    with written(config) as file:
        yaml.safe_dump({**claim.training.config, "output": str(output)}, file, sort_keys=False)
    if all(study.answered(claim.training).values()):
        return None

    def told() -> str:
        log = _read_log(output)
        return f"update {log[-1]['step']}" if log else "begins"

    launch = study.space.launch or (sys.executable, "-m")
    words = [*launch, "train_judge.train", "--config", str(config)]
    return _run(words, claim, folder / "log.txt", told, bar)


def _answer(study: Study, claim: Claim, bar: Any) -> str | None:
    """Let every epoch that is there answer; returns why that failed."""
    epochs = study.training_folder(claim.training) / "output"
    if all(study.answered(claim.training).values()) or not any(epochs.glob("epoch-*")):
        return None
    own = [one for one in study.space.configurations if one.training is claim.training]
    words = answering.command(study, own)

    def told() -> str:
        return f"{sum(study.answered(claim.training).values())} epochs have answered"

    log = study.training_folder(claim.training) / "log.txt"
    return _run(words, claim, log, told, bar)


def _run(
    words: Sequence[str], claim: Claim, log: Path, told: Callable[[], str], bar: Any
) -> str | None:
    """Run a process to its end, what it says in `log`; returns why it failed, if it did."""
    with log.open("ab") as file:
        file.write(f"$ {' '.join(words)}\n".encode())
        file.flush()
        begin = file.tell()
        try:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                pass_fds=(claim.lock,),  # it may outlive this worker
            )
        except OSError as error:
            raise InputError(
                f"{words[0]}: cannot be started ({error.strerror}). Mend `launch` in the space."
            ) from None
        try:
            while child.poll() is None:
                bar.set_postfix_str(f"{claim.training.name}: {told()}")
                time.sleep(_POLL)
        except BaseException:
            child.terminate()
            child.wait()
            raise
    return None if child.returncode == 0 else _reason(child.returncode, log, begin)


def _reason(code: int, log: Path, begin: int) -> str:
    """Why a process failed, from the end of what it said."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode("utf-8", "replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    errors = [found[0] for line in said if (found := _ERROR.search(line))]
    last = errors[-1] if errors else said[-1] if said else ""
    told = "\n".join(said[-40:])
    kind = next((kind for sign, kind in _REASONS.items() if sign in told), None)
    if kind is None and code < 0:
        kind = f"killed by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    return f"{kind or f'ended with code {code}'}: {last[:300]}"


def _read_log(output: Path) -> list[Mapping[str, Any]]:
    try:
        found: list[Mapping[str, Any]] = json.loads((output / "log.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [record for record in found if "step" in record]


def _last_loss(output: Path) -> float:
    losses = [record["loss"] for record in _read_log(output) if "loss" in record]
    return float(losses[-1]) if losses else 0.0


@dataclass(frozen=True, slots=True)
class TrainingCosts:
    """What a training took.

    Attributes:
        seconds: of training and answering; those of a worker that was killed are not known.
        tokens: that were learnt.
    """

    seconds: float
    tokens: int


def _note_costs(study: Study, claim: Claim, seconds: float) -> None:
    path = study.training_folder(claim.training) / "costs.json"
    before = read_costs(path)
    records = _read_log(study.training_folder(claim.training) / "output")
    tokens = max((int(one.get("num_input_tokens_seen", 0)) for one in records), default=0)
    with written(path) as file:
        json.dump({"seconds": before.seconds + seconds, "tokens": max(tokens, before.tokens)}, file)


def read_costs(path: Path) -> TrainingCosts:
    """The costs of a training; none where nothing is noted yet."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return TrainingCosts(0.0, 0)
    return TrainingCosts(float(told["seconds"]), int(told["tokens"]))


def _tidy(study: Study, claim: Claim) -> None:
    """Leave what is small: log, picture and card; and the candidates' weights, where they stay."""
    kept = set()
    if study.space.keep_weights:
        own = [one for one in study.space.configurations if one.training is claim.training]
        kept = {study.weights(one) for one in own}
    folder = study.training_folder(claim.training)
    shutil.rmtree(folder / "answering", ignore_errors=True)
    for place in (folder / "output").iterdir():
        if place.is_dir():
            if place not in kept:
                shutil.rmtree(place)
        elif place.suffix in (".safetensors", ".jinja") or "token" in place.name:
            place.unlink()
