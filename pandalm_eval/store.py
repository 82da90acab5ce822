"""`--use_cache FILE` under our command: answers that a judge has already given.

The harness's own cache keys on the request alone, so that a second judge with the same file gets
the first one's verdicts, and it stores pickles. This one keys on a fingerprint of judge, files,
arguments and software together with the request, stores JSON, and is an SQLite file that several
processes of one machine may use at once. A killed run resumes where it was: an answer is written
as soon as the backend tells it (the harness's cache hook: hf-judge, hf and the APIs one by one,
vLLM and the like at the end of a chunk). The harness's `CachingLM` is replaced for the length of
our command only.

It cannot know that a server has begun to serve other weights under the same address and name.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.failures import is_failure
from pandalm_eval.models.text import JudgeText

_log = logging.getLogger(__name__)

_METHODS = ("generate_until", "loglikelihood")
_CHUNK = 96
"""Requests handed to the judge at a time: what a power cut, or with a backend that tells nothing
before its end a kill, can lose."""

_PATIENCE = 60
"""Seconds to wait for another process that is writing."""

_SOFTWARE = (
    *("pandalm_eval", "lm_eval", "transformers", "torch"),
    *("peft", "gguf", "vllm", "sglang", "llama_cpp_python", "litellm"),
)
SENDING_ARGUMENTS = {"batch_size", "max_batch_size", "num_concurrent", "max_retries", "timeout"}
"""Model arguments that say how requests are sent, not what is answered: a run that resumes may
change them."""

_REMEDIES = {
    "SQLITE_FULL": "Make room on that disk",
    "SQLITE_IOERR": "Make room on that disk, or use another one",
    "SQLITE_BUSY": "Let the other process that is writing to it end",
    "SQLITE_READONLY": "Make it and its folder writable",
    "SQLITE_CORRUPT": "It is damaged: put it aside, or name another file",
}


class Store:
    """Answers by key, in one SQLite file.

    Args:
        path: the file, made where there is none.
        option: what the user names it by, for messages.

    Raises:
        InputError: from every method, if the file cannot be used; what was written stays.
    """

    def __init__(self, path: Path, option: str = "--use_cache") -> None:
        self._path = path
        self._option = option
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            # Takes the lock that two processes opening a new file would else fight for.
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute(
                "SELECT 1 FROM sqlite_master WHERE name != 'answers' AND type = 'table'"
            ).fetchone():
                raise sqlite3.DatabaseError("it holds other tables")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            self._db.execute("PRAGMA user_version = 1")  # a write: better fail now than when judged
            self._db.execute("COMMIT")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # a commit is safe from kills at once
        except (sqlite3.Error, OSError) as error:
            raise InputError(
                f"{option} {path}: is no store of ours or cannot be written ({error}). Name "
                "another file."
            ) from None

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """{key: answer} of the keys that have one."""
        with self._explained():
            one = "SELECT key, value FROM answers WHERE key = ?"
            rows = [row for key in keys for row in self._db.execute(one, (key,))]
            return {key: json.loads(value) for key, value in rows}

    def put(self, answers: Mapping[str, Any]) -> None:
        """Add answers in one transaction; what another process wrote meanwhile stays."""
        rows = [(key, json.dumps(value)) for key, value in answers.items()]
        if not rows:
            return
        with self._explained(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)

    def sync(self) -> None:
        """Make what was put survive a power cut, too."""
        with self._explained():
            self._db.execute("PRAGMA wal_checkpoint")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, json.JSONDecodeError) as error:
            kind = getattr(error, "sqlite_errorname", None) or "SQLITE_CORRUPT"
            remedy = next((r for name, r in _REMEDIES.items() if kind.startswith(name)), "Mend it")
            raise InputError(
                f"{self._option} {self._path}: {error}. {remedy}, and run the same command again: "
                "answers that were written are kept."
            ) from None


class StoredJudge:
    """The harness's `CachingLM` for our command: answers from the store, else from the model.

    Attributes:
        lm: the model.
        answered: requests that the store has answered.
    """

    def __init__(self, told: Mapping[str, Any], lm: Any, cache_db: str) -> None:
        self.lm = lm
        self.answered = 0
        # The harness makes one file a rank, since its own cannot be shared; ours can.
        path = Path(re.sub(r"_rank\d+\.db$", "", cache_db))
        self._store = Store(path)
        self._fingerprint = _fingerprint(told, lm, path)
        self._waiting: dict[str, list[str]] = {}
        if hasattr(lm, "set_cache_hook"):
            lm.set_cache_hook(self)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.lm, name)
        if name not in _METHODS:
            return attribute
        return lambda requests: self._answer(name, attribute, requests)

    def add_partial(self, method: str, arguments: Sequence[Any], answer: Any) -> None:
        """Keep an answer as soon as the backend has it (the interface of a cache hook)."""
        if keys := self._waiting.get(_hash(method, _texts(arguments))):
            self._keep({keys.pop(0): answer})

    def _answer(
        self, method: str, ask: Callable[[list[Any]], list[Any]], requests: Sequence[Any]
    ) -> list[Any]:
        keys = [self._key(method, request) for request in requests]
        by_key = dict(zip(keys, requests, strict=True))
        stored = self._store.get(by_key)
        missing = {key: request for key, request in by_key.items() if key not in stored}
        self.answered += len(keys) - sum(key in missing for key in keys)
        _log.info("store: %d of %d requests are answered", len(keys) - len(missing), len(keys))
        answers: dict[str, Any] = {}
        for chunk in _chunks(missing):
            self._waiting = {}
            for key, request in chunk.items():
                self._waiting.setdefault(_hash(method, _texts(request.args)), []).append(key)
            new = dict(zip(chunk, ask(list(chunk.values())), strict=True))
            self._keep(new)
            self._store.sync()
            answers |= new
        # What stands in the store is the answer, though this process may have heard another one:
        # two at work on one store, or a second run, end with the same figures.
        stored |= self._store.get(missing)
        return [_from_json(stored[key]) if key in stored else answers[key] for key in keys]

    def _keep(self, answers: Mapping[str, Any]) -> None:
        # A failure is asked again, not remembered.
        self._store.put(
            {k: _as_json(answer) for k, answer in answers.items() if not is_failure(answer)}
        )

    def _key(self, method: str, request: Any) -> str:
        # The document is part of the key: judges of pairs answer by it, not by the prompt.
        doc = request.doc if isinstance(request.doc, Mapping) else {}
        pair = [doc.get("id"), doc.get("text_hash"), request.idx]
        return _hash(self._fingerprint, method, pair, _texts(request.args))


def _chunks(requests: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Parts of about equal lengths, the longest first; requests of a document stay together."""
    documents: dict[Any, dict[str, Any]] = {}
    for key, request in requests.items():
        documents.setdefault((request.task_name, request.doc_id), {})[key] = request
    chunk: dict[str, Any] = {}
    for document in sorted(documents.values(), key=lambda own: -max(map(_length, own.values()))):
        if chunk and len(chunk) + len(document) > _CHUNK:
            yield chunk
            chunk = {}
        chunk |= document
    if chunk:
        yield chunk


def _length(request: Any) -> int:
    return len(_texts(request.args)[0])


def _texts(arguments: Sequence[Any]) -> list[Any]:
    """A request's arguments; the harness wraps a chat API's messages."""
    return [getattr(argument, "prompt", argument) for argument in arguments]


def _hash(*told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _as_json(answer: Any) -> dict[str, Any]:
    if isinstance(answer, tuple):
        return {"logprob": float(answer[0]), "greedy": bool(answer[1])}
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


def _fingerprint(told: Mapping[str, Any], lm: Any, store: Path) -> dict[str, Any]:
    """Everything but the request that an answer depends on, as far as it can be known here."""
    arguments = dict(told.get("model_args") or {})
    served = (getattr(lm, name, None) for name in ("base_url", "model"))
    return {
        **told,
        "model_args": {k: v for k, v in arguments.items() if k not in SENDING_ARGUMENTS},
        "served": [value for value in served if isinstance(value, str)],  # may be the environment's
        "files": {
            # The store may stand there, too, with its -wal and -shm.
            k: [told for told in files_at(v) if not told[0].startswith(store.name)]
            for k, v in arguments.items()
            if isinstance(v, str) and v
        },
        "info": lm.get_model_info() if hasattr(lm, "get_model_info") else {},
        "software": _versions(),
    }


def files_at(place: str) -> list[tuple[str, int, int]]:
    """Name, size and time of the files of a local checkpoint or recorded judge: other content under
    the same path is another judge. None where there is no such path."""
    path = Path(place).expanduser()
    files = path.iterdir() if path.is_dir() else [path]
    return sorted(
        (file.name, file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
        if file.is_file()
    )


def _versions() -> dict[str, str]:
    versions = {}
    for name in _SOFTWARE:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


@contextlib.contextmanager
def installed(told: Mapping[str, Any]) -> Iterator[None]:
    """While open, the harness's `--use_cache` uses this store.

    Args:
        told: what the command was told of the judge: {model, model_args, …}.
    """
    import lm_eval.api.model as harness

    original = harness.CachingLM

    def around(lm: Any, cache_db: str) -> StoredJudge:
        _IN_USE.append(cache_db)
        return StoredJudge(told, lm, cache_db)

    harness.CachingLM = around
    try:
        yield
    finally:
        harness.CachingLM = original
        _IN_USE.clear()


_IN_USE: list[str] = []
"""The store of the run under way, as the harness names it."""


def stored(told: Mapping[str, Any], lm: Any) -> Any:
    """A second model of the run, answering from the first one's store; itself if there is none."""
    return StoredJudge(told, lm, _IN_USE[-1]) if _IN_USE else lm
