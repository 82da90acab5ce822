"""Asking a teacher; its answers are kept as they come.

The harness sends requests concurrently and tries again with exponential back-off. Each answer is
stored the moment it is there, in a store that survives kills and that several processes may share:
a kill loses at most what was in flight.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from pandalm_eval.errors import InputError
from pandalm_eval.failures import is_failure, surviving
from pandalm_eval.pairs import Pair, stream_pairs
from pandalm_eval.store import Store
from train_judge.answer_texts import read_answer
from train_judge.funnel import Funnel
from train_judge.labelled import Labelled, Order, pair_record
from train_judge.prices import Usage
from train_judge.steps import watched, write_record
from train_judge.teacher import Question, Teacher

_CHUNK = 512
"""Pairs whose questions are handed to the teacher at a time."""


def label_pairs(teacher: Teacher, pairs: Path, answers: Path, output: TextIO) -> Funnel:
    """Ask what is not answered yet, then write every pair with its answers.

    Raises:
        InputError: a file at fault, or the teacher answers nothing.
        UsageError: a model that the prompt style does not fit.
    """
    total = sum(1 for _ in stream_pairs(pairs))  # a bad line is found before money is spent
    funnel, verdicts = Funnel.of("label", ()), Counter[str]()
    usage, untold, failed = Usage(), 0, 0
    with Asking(teacher, Store(answers, "--answers")) as asking:
        for chunk in _chunks(watched(stream_pairs(pairs), "label", total)):
            questions = [question for pair in chunk for question in teacher.questions(pair)]
            found = asking.answers(questions)
            for forward, swapped in zip(questions[::2], questions[1::2], strict=True):
                labels = []
                for question in (forward, swapped):
                    told = found.get(question.key, {})
                    text, finish = told.get("text", ""), told.get("finish")
                    labels.append(read_answer(text, question.order, teacher.name, finish))
                    used = Usage.read(told.get("usage"))
                    usage += used or Usage()
                    failed += not told
                    untold += bool(told) and used is None
                funnel.read += 1
                verdicts.update(f"answers: {label.verdict}" for label in labels)
                write_record(output, Labelled(forward.pair, tuple(labels)).record())
    funnel.kept = funnel.read
    funnel.notes |= dict(sorted(verdicts.items()))
    funnel.notes["answered earlier, not asked again"] = asking.answered
    funnel.notes |= teacher.prices.notes(usage, 2 * funnel.read - failed, untold)
    if failed:
        funnel.notes["unfinished"] = (
            f"{failed} requests failed; the same command asks them again, and only them. Until "
            "then filter counts their pairs as unreadable."
        )
    return funnel


class Asking:
    """One run's questions to a teacher, which is loaded when the first open one is asked."""

    def __init__(self, teacher: Teacher, store: Store) -> None:
        self._teacher = teacher
        self._store = store
        self._loaded: Any = None
        self._watch = contextlib.ExitStack()
        self._waiting: dict[str, list[str]] = {}
        self._usage: object = None
        self.answered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.__exit__(kind, error, trace)

    def answers(self, questions: Sequence[Question]) -> dict[str, dict[str, Any]]:
        """{key: {text, finish, usage}} of the questions; one whose request failed is missing.

        Raises:
            InputError: all of many requests in a row failed.
        """
        found: dict[str, dict[str, Any]] = self._store.get(question.key for question in questions)
        self.answered += len(found)
        if not (missing := [question for question in questions if question.key not in found]):
            return found
        self._ask(missing)
        self._store.sync()
        new = self._store.get(question.key for question in missing)
        if not new and len(missing) >= _CHUNK:
            raise InputError(
                f"the teacher {self._teacher.name} failed to answer {len(missing)} requests in a "
                "row. Mend the server, and run the same command again: answers that came are kept."
            )
        return found | new

    def add_partial(self, method: str, arguments: Sequence[Any], answer: Any) -> None:
        """Keep an answer as soon as the backend has it (the interface of a cache hook)."""
        keys = self._waiting.get(_as_text(arguments[0]))
        if keys and not is_failure(answer):
            usage, self._usage = self._usage, None
            told = {"text": str(answer), "finish": getattr(answer, "finish", None), "usage": usage}
            self._store.put({keys.pop(0): told})

    def _ask(self, questions: Sequence[Question]) -> None:
        from lm_eval.api.instance import Instance

        generation = {"until": [], "max_gen_toks": self._teacher.new_tokens, "do_sample": False}
        lm = self._load()
        requests = []
        self._waiting = {}
        for number, question in enumerate(questions):
            prompt = self._teacher.message(lm, question.prompt)
            self._waiting.setdefault(_as_text(prompt), []).append(question.key)
            requests.append(
                Instance(
                    "generate_until",
                    doc=pair_record(question.pair) | {"text_hash": question.pair.text_hash},
                    arguments=(prompt, dict(generation)),
                    idx=int(question.order is Order.SWAPPED),
                    metadata=("label", number, 1),
                )
            )
        answers = lm.generate_until(requests)
        for request, answer in zip(requests, answers, strict=True):
            # Of a backend that has told its hook all of them none is waiting any more.
            self.add_partial("generate_until", request.args, answer)

    def _load(self) -> Any:
        if self._loaded is None:
            lm = self._teacher.load()
            if hasattr(lm, "set_cache_hook"):
                lm.set_cache_hook(self)
            self._watch.enter_context(surviving(lm, self))
            self._watch.enter_context(self._usages(lm))
            self._loaded = lm
        return self._loaded

    @contextlib.contextmanager
    def _usages(self, lm: Any) -> Iterator[None]:
        """While open, the usage that an API backend's response tells is noted.

        The harness parses a response and hands its answer to the cache hook without a pause in
        between, so that the usage noted last is the one of the answer that is kept next.
        """
        parse = getattr(lm, "parse_generations", None)
        if parse is None:
            yield
            return

        def note(outputs: Any, **arguments: Any) -> Any:
            self._usage = outputs.get("usage") if isinstance(outputs, Mapping) else None
            return parse(outputs=outputs, **arguments)

        lm.parse_generations = note
        yield
        lm.parse_generations = parse


def _as_text(prompt: Any) -> str:
    return str(getattr(prompt, "prompt", prompt))


def _chunks(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    while chunk := list(itertools.islice(pairs, _CHUNK)):
        yield chunk
