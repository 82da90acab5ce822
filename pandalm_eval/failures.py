"""A request that a remote judge fails to answer costs its own reading, not the run.

The harness's API backends (`TemplateAPI`: local-completions, local-chat-completions, openai-…,
litellm, anthropic-chat, sglang-generate) raise once their retries are used up, and the run is over.
Under our command such a request becomes a failed answer: an invalid reading, counted, never stored,
asked again by the next run. So does an answer that says nothing: null, an error in place of
choices, fewer choices than prompts. Only what befalls a request is caught, and of these backends
only: a local judge's error, a missing key and Ctrl-C end the run as ever.

A failure costs what the harness's own retries cost (3 attempts, 2 s of waiting between them, the
time-out each time), where and as concurrently as they happen: nothing answered is asked twice. The
prompts of a failed batch (`batch_size` above 1) are asked once more, one by one.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from pandalm_eval.credentials import Credentials
from pandalm_eval.errors import InputError
from pandalm_eval.models.text import Finish, JudgeText

_log = logging.getLogger(__name__)

_PROBES = 5
"""Requests asked first, the shortest: where all of them fail it is the server that fails, not a
prompt beyond its context."""

_CLIENTS = {"aiohttp", "anthropic", "httpx", "litellm", "openai", "requests", "urllib3"}
_NO_CONNECTION = (
    *("NewConnectionError", "NameResolutionError", "ConnectTimeout"),  # urllib3, requests
    *("ClientConnectorError", "ConnectError"),  # aiohttp, httpx
)
_UNREADABLE = (LookupError, TypeError, AttributeError, ValueError)
_FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length"}

_prompts: ContextVar[int] = ContextVar("_prompts")
"""Prompts of the call under way; every concurrent call has a context of its own."""


def is_failure(answer: Any) -> bool:
    """Whether a judge's answer stands for a request that failed."""
    if isinstance(answer, tuple):
        return math.isnan(answer[0])
    return answer is None or getattr(answer, "finish", None) == "error"


@contextlib.contextmanager
def tolerated() -> Iterator[None]:
    """While open, the harness's runs survive failing requests to a remote judge."""
    from lm_eval import evaluator

    original = evaluator.evaluate

    def evaluate(lm: Any, **arguments: Any) -> Any:
        judge, store = (lm.lm, lm) if hasattr(lm, "lm") else (lm, None)
        with surviving(judge, store):
            return original(lm=lm, **arguments)

    evaluator.evaluate = evaluate
    try:
        yield
    finally:
        evaluator.evaluate = original


@contextlib.contextmanager
def surviving(judge: Any, store: Any | None = None) -> Iterator[None]:
    """While open, a remote judge survives its failing requests; any other one is left as it is.

    Args:
        judge: a model of the harness.
        store: the `StoredJudge` that answers before it, if there is one.

    Raises:
        InputError: the server answers nothing at all.
    """
    api = sys.modules.get("lm_eval.models.api_models")  # not imported: there is no remote judge
    if api is None or not isinstance(judge, api.TemplateAPI):
        yield
        return
    remote = _RemoteJudge(judge, store)
    with remote.watched(api):
        yield
    remote.report()


class _Failed(list[Any]):
    """Failed answers, one for each prompt of a call."""

    def __init__(self, count: int, *, generate: bool) -> None:
        super().__init__(
            JudgeText("", finish="error") if generate else (math.nan, False) for _ in range(count)
        )


class _RemoteJudge:
    """One run's requests to an API backend of the harness; `store` is what answers before it."""

    def __init__(self, judge: Any, store: Any | None) -> None:
        self._judge = judge
        self._store = store
        self._asked = self._failed = 0
        self._unreachable = False
        self._last = ""  # what was said instead of an answer
        given: Mapping[str, str] = {}
        with contextlib.suppress(ValueError):  # no key: the first request says so, and how
            given = judge.header
        self._credentials = Credentials([*given.values(), str(judge.auth_token or "")])

    @contextlib.contextmanager
    def watched(self, api: Any) -> Iterator[None]:
        """While open, the judge answers failures, and the harness logs no keys."""
        judge, retry, log = self._judge, api.retry, logging.getLogger(api.__name__)
        own = {
            "model_call": _counting(judge.model_call),
            "amodel_call": _counting_async(judge.amodel_call),
            "parse_generations": self._read(judge.parse_generations, generate=True),
            "parse_logprobs": self._read(judge.parse_logprobs, generate=False),
            "generate_until": self._ask(judge.generate_until),
            "loglikelihood": self._ask(judge.loglikelihood),
        }
        vars(judge).update(own)
        # What is given wins, so that of two remote models each gives up its own requests.
        ours = {"retry": _failed_to_answer, "retry_error_callback": self._give_up}
        api.retry = lambda **policy: retry(**ours | policy)
        log.addFilter(self._credentials)
        try:
            yield
        finally:
            log.removeFilter(self._credentials)
            api.retry = retry
            for name in own:
                delattr(judge, name)

    def report(self) -> None:
        """Say how many requests failed, and how to ask them again."""
        if self._failed:
            _log.warning(
                "%d of %d requests to the judge failed; their readings are invalid. %s asks them "
                "again, and only them. The last one: %s",
                self._failed,
                self._asked,
                "The same command" if self._store else "With --use_cache FILE, a second run",
                self._last,
            )

    def _ask(self, method: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        def ask(requests: Sequence[Any]) -> list[Any]:
            places = sorted(range(len(requests)), key=lambda i: len(_prompt(requests[i])))
            first = _PROBES if self._asked == self._failed else 0  # nothing is answered yet
            answers: dict[int, Any] = {}
            for part in filter(None, (places[:first], places[first:])):
                answers |= zip(part, self._answer(method, [requests[i] for i in part]), strict=True)
                self._require_answers()
            return [answers[place] for place in range(len(requests))]

        return ask

    def _answer(self, method: Callable[..., list[Any]], requests: list[Any]) -> list[Any]:
        answers = method(requests)
        lost = [place for place, answer in enumerate(answers) if is_failure(answer)]
        if lost and (size := self._judge._batch_size) > 1:  # one prompt may have failed the others
            self._judge._batch_size = 1
            alone = method([requests[place] for place in lost])
            self._judge._batch_size = size
            for place, answer in zip(lost, alone, strict=True):
                answers[place] = answer
        self._asked += len(answers)
        self._failed += sum(map(is_failure, answers))
        return answers

    def _require_answers(self) -> None:
        # Of a run that resumes, what is left may be just the requests that no server answers.
        resumes = self._store is not None and self._store.answered > 0
        if self._asked == self._failed and (self._unreachable or not resumes):
            raise InputError(
                f"{self._credentials.blotted(str(self._judge.base_url))} answered none of "
                f"{self._asked} requests. The last one: {self._last}. Mend base_url, model or key, "
                "or the server, and run the same command again."
            )

    def _read(self, parse: Callable[..., list[Any]], *, generate: bool) -> Callable[..., list[Any]]:
        def read(outputs: Any, **arguments: Any) -> list[Any]:
            if isinstance(outputs, _Failed):
                return outputs
            answers: list[Any]
            try:
                answers = parse(outputs=outputs, **arguments)
                if generate:
                    said = zip(answers, _choices(outputs), strict=True)
                    answers = [_text(text, choice) for text, choice in said]
            except _UNREADABLE:
                answers = []
            if len(answers) != _prompts.get():
                answers = _Failed(_prompts.get(), generate=generate)
            if any(map(is_failure, answers)):
                self._note(outputs)
            return answers

        return read

    def _give_up(self, state: Any) -> _Failed:
        """The answers of a call whose attempts are used up (tenacity's `retry_error_callback`)."""
        error = state.outcome.exception()
        self._note(error, getattr(getattr(error, "response", None), "text", ""))
        self._unreachable |= _is_servers_fault(error)
        return _Failed(_prompts.get(), generate=state.kwargs["generate"])

    def _note(self, *said: Any) -> None:
        words = " ".join(f"{type(said[0]).__name__}: {' '.join(map(str, said))}".split())
        self._last = self._credentials.blotted(words)[:300]


def _counting(call: Callable[..., Any]) -> Callable[..., Any]:
    def count(*, messages: Sequence[Any], **arguments: Any) -> Any:
        _prompts.set(len(messages))
        return call(messages=messages, **arguments)

    return count


def _counting_async(call: Callable[..., Any]) -> Callable[..., Any]:
    async def count(*, messages: Sequence[Any], **arguments: Any) -> Any:
        _prompts.set(len(messages))
        return await call(messages=messages, **arguments)

    return count


def _prompt(request: Any) -> str:
    return str(getattr(request.args[0], "prompt", request.args[0]))


def _choices(outputs: Any) -> list[Mapping[str, Any]]:
    """What a server wrote, prompt by prompt, in the shapes of OpenAI's two protocols and others."""
    choices: list[Mapping[str, Any]] = []
    for output in outputs if isinstance(outputs, list) else [outputs]:
        own = {one["index"]: one for one in output["choices"]} if "choices" in output else [output]
        choices += (own[index] for index in range(len(own)))
    return choices


def _text(text: str | None, choice: Mapping[str, Any]) -> JudgeText:
    """The text with why it ended; the harness writes an empty one where there is none."""
    finish = _FINISHES.get(str(choice.get("finish_reason")))
    content = choice["text"] if "text" in choice else choice.get("message", {}).get("content")
    if not text and content is None and finish != "length":  # all spent on thoughts: no failure
        finish = "error"
    return JudgeText(text or "", finish=finish)


def _failed_to_answer(state: Any) -> bool:
    """Whether a request failed, rather than the program that made it (tenacity's `retry`)."""
    error = state.outcome.exception()
    return isinstance(error, TimeoutError | ConnectionError | UnicodeDecodeError) or any(
        kind.__module__.partition(".")[0] in {*_CLIENTS, "json"} for kind in type(error).__mro__
    )


def _is_servers_fault(error: Exception) -> bool:
    """Whether a failure says nothing of the request: no connection, no such address, no access."""
    response = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(response, "status_code", None)
    described = f"{type(error).__mro__} {error}"  # requests wraps the reason, and tells it in words
    return status in (401, 403, 404) or any(name in described for name in _NO_CONNECTION)
