"""`--use_cache FILE` under our command: answers that a judge has already given.

The harness's own cache keys on the request alone, so that a second judge with the same file gets
the first one's verdicts, and it stores pickles. This one keys on a fingerprint of judge, revision,
arguments and software together with the request, stores JSON, and is an SQLite file that several
processes may use at once. Answers are written as soon as their batch is back, so a killed run
resumes where it was. The harness's `CachingLM` is replaced for the length of our command only.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.models.text import JudgeText

_log = logging.getLogger(__name__)

_METHODS = ("generate_until", "loglikelihood")
_BATCH = 96
"""Requests judged between two writes: what a kill can lose."""


class Store:
    """Answers by key, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
        except (sqlite3.Error, OSError) as error:
            raise InputError(
                f"--use_cache {path}: is no store of ours or cannot be written ({error}). Name "
                "another file."
            ) from None

    def get(self, key: str) -> Any | None:
        """The answer of a key, None where there is none."""
        row = self._db.execute("SELECT value FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, answers: Mapping[str, Any]) -> None:
        """Add answers in one transaction; what another process wrote meanwhile stays."""
        rows = [(key, json.dumps(value)) for key, value in answers.items()]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)


class StoredJudge:
    """The harness's `CachingLM` for our command: answers from the store, else from the model."""

    def __init__(self, fingerprint: Mapping[str, Any], lm: Any, cache_db: str) -> None:
        self.lm = lm
        # The harness makes one file a rank, since its own cannot be shared; ours can.
        self._store = Store(Path(re.sub(r"_rank\d+\.db$", "", cache_db)))
        info = lm.get_model_info() if hasattr(lm, "get_model_info") else {}
        self._fingerprint = {**fingerprint, "info": info, "software": _versions()}

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.lm, name)
        if name not in _METHODS:
            return attribute
        return lambda requests: self._answer(name, attribute, requests)

    def _answer(
        self, method: str, ask: Callable[[list[Any]], list[Any]], requests: Sequence[Any]
    ) -> list[Any]:
        keys = [self._key(method, request) for request in requests]
        answers = {key: found for key in keys if (found := self._store.get(key)) is not None}
        missing = dict.fromkeys(key for key in keys if key not in answers)
        by_key = dict(zip(keys, requests, strict=True))
        _log.info("store: %d of %d requests are answered", len(keys) - len(missing), len(keys))
        # Longest first over the whole rest, so that the judge's batches stay of like length.
        rest = sorted(missing, key=lambda key: -len(str(by_key[key].args[0])))
        for start in range(0, len(rest), _BATCH):
            chunk = rest[start : start + _BATCH]
            new = {
                key: _as_json(answer)
                for key, answer in zip(chunk, ask([by_key[key] for key in chunk]), strict=True)
            }
            answers |= new
            self._store.put({key: value for key, value in new.items() if not _failed(value)})
        return [_from_json(answers[key]) for key in keys]

    def _key(self, method: str, request: Any) -> str:
        # The document is part of the key: judges of pairs answer by it, not by the prompt.
        doc = request.doc if isinstance(request.doc, Mapping) else {}
        pair = [doc.get("id"), doc.get("text_hash"), request.idx]
        arguments = [getattr(argument, "prompt", argument) for argument in request.args]
        told = json.dumps([self._fingerprint, method, pair, arguments], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()


def _failed(value: Mapping[str, Any]) -> bool:
    return value.get("finish") == "error"  # a failure is asked again, not remembered


def _as_json(answer: Any) -> dict[str, Any]:
    if isinstance(answer, tuple):
        return {"logprob": answer[0], "greedy": bool(answer[1])}
    return {
        "text": str(answer),
        "finish": getattr(answer, "finish", None),
        "seconds": getattr(answer, "seconds", None),
        "new_tokens": getattr(answer, "new_tokens", None),
    }


def _from_json(value: Mapping[str, Any]) -> Any:
    if "logprob" in value:
        return value["logprob"], value["greedy"]
    return JudgeText(
        value["text"],
        finish=value["finish"],
        seconds=value["seconds"],
        new_tokens=value["new_tokens"],
    )


def _versions() -> dict[str, str]:
    versions = {}
    for name in ("pandalm_eval", "lm_eval", "transformers", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


@contextlib.contextmanager
def installed(fingerprint: Mapping[str, Any]) -> Iterator[None]:
    """While open, the harness's `--use_cache` uses this store."""
    import lm_eval.api.model as harness

    original = harness.CachingLM
    harness.CachingLM = lambda lm, cache_db: StoredJudge(fingerprint, lm, cache_db)
    try:
        yield
    finally:
        harness.CachingLM = original
