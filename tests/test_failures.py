"""Failing requests to a remote judge: a real server on localhost, the harness's real backends."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.api_models import TemplateAPI
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI
from test_task import Listener, evaluate, figures

from pandalm_eval import models
from pandalm_eval.errors import InputError
from pandalm_eval.failures import is_failure, surviving, tolerated
from pandalm_eval.store import installed

pytest.importorskip("tenacity", reason="the harness's API backends need lm_eval[api]")

Capture = pytest.LogCaptureFixture
KEY = "sk-secret-0123456789"
HANGS = 1.5  # longer than the clients of these tests wait
TIMEOUT = 1

BODIES: dict[str, bytes] = {
    "no JSON": b"<html>gateway</html>",
    "bytes": b"\xff\xfe\x00\x01",
    "an error": b'{"error": {"message": "overloaded"}}',
    "a list": b"[1, 2]",
    "a string": b'"later"',
    "no choices": b'{"choices": []}',
    "null choices": b'{"choices": null}',
    "no message": b'{"choices": [{"index": 0}]}',
    "far index": b'{"choices": [{"index": 7, "text": "1", "message": {"content": "1"}}]}',
    "two choices": b'{"choices": [{"index": 0, "text": "1", "message": {"content": "1"}},'
    b' {"index": 1, "text": "2", "message": {"content": "2"}}]}',
}
"""Answers with status 200 that hold none."""
FAULTS = ("500", "400", "null", "hang", "drop", *BODIES)


class JudgeServer(ThreadingHTTPServer):
    """OpenAI's completions and chat completions: a verdict from the prompt, or a planned fault.

    Attributes:
        faults: what happens to the item named in the prompt: one of `FAULTS`, a status, or a text.
        asked: how often each prompt arrived, by its item and a digest of order.
        everyone: what happens to every item instead.
        fickle: whether the verdict changes each time.
        delay: seconds before each answer.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: dict[str, str] = {}
        self.everyone: str | None = None
        self.fickle = False
        self.asked: Counter[str] = Counter()
        self.delay = 0.0
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed or tired of waiting is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = "messages" in told
        prompts = [told["messages"][-1]["content"]] if chat else told["prompt"]
        prompts = [prompts] if isinstance(prompts, str) else prompts
        if isinstance(prompts[0], list):  # tokens of the tests' tokenizer: code points
            return self.score(told, prompts)
        with self.server.lock:
            self.server.asked.update(prompts)
        time.sleep(self.server.delay)
        plans = [self.server.everyone or self.server.faults.get(item(p), "") for p in prompts]
        fault = next((plan for plan in plans if plan), "")
        if fault.isdigit():
            return self.say(int(fault), json.dumps({"error": f"item refused, key {KEY}"}).encode())
        if fault == "hang":
            time.sleep(HANGS)
        if fault in ("hang", "drop"):
            return self.connection.close()
        if fault in BODIES:
            return self.say(200, BODIES[fault])
        choices = []
        for index, (prompt, plan) in enumerate(zip(prompts, plans, strict=True)):
            text = None if plan.startswith("null") else plan or self.verdict(prompt)
            reason = "length" if plan == "null, length" else "stop"
            said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            choices.append({"index": index, "finish_reason": reason} | said)
        self.say(200, json.dumps({"choices": choices[::-1]}).encode())  # in any order
        return None

    def verdict(self, prompt: str) -> str:
        drawn = sum(prompt.encode()) + (self.server.asked[prompt] if self.server.fickle else 0)
        return ("1", "2", "Tie")[drawn % 3]

    def score(self, told: dict[str, Any], prompts: list[list[int]]) -> None:
        choices = []
        for index, tokens in enumerate(prompts):
            logprobs = [None] + [-(token % 7) / 7 for token in tokens[1:]] + [-1.0]
            if self.server.faults.get(item("".join(map(chr, tokens)))):
                logprobs = [None] * len(logprobs)
            tops = [{"x": value} for value in logprobs]
            scored = {"token_logprobs": logprobs, "top_logprobs": tops}
            choices.append({"index": index, "logprobs": scored})
        self.say(200, json.dumps({"choices": choices}).encode())

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read `asked`."""


def item(prompt: str) -> str:
    """The pair that a prompt is about."""
    found = re.search(r"item-\d+", prompt)
    assert found is not None
    return found[0]


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    models.register()


@contextlib.contextmanager
def serving() -> Iterator[JudgeServer]:
    with JudgeServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def pair_file(folder: Path, count: int) -> Path:
    """Pairs `item-0` … with labels; every order is another prompt."""
    pairs = [
        {"instruction": f"Do item-{i}.", "response1": "a" * (i % 4 + 1), "response2": "bbb"}
        | {"label": i % 3}
        for i in range(count)
    ]
    (folder / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    return folder / "pairs.json"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return pair_file(tmp_path, 8)


def remote(server: JudgeServer, chat: bool = False, **arguments: Any) -> TemplateAPI:
    made, place = (
        (LocalChatCompletion, "/chat/completions")
        if chat
        else (LocalCompletionsAPI, "/completions")
    )
    defaults = {"max_retries": 1, "timeout": TIMEOUT, "tokenizer_backend": None}
    judge: TemplateAPI = made(base_url=server.address + place, model="x", **defaults | arguments)
    return judge


def judge_pairs(
    pairs: Path, judge: Any, store: Path | None = None, **options: Any
) -> dict[str, Any]:
    """Figures of a run under what our command puts around it, and its readings by (pair, order)."""
    if store is not None:
        options["use_cache"] = str(store)
    if isinstance(judge, LocalChatCompletion):
        options["apply_chat_template"] = True
    told = {"model": type(judge).__name__, "model_args": {}}
    with tolerated(), installed(told):
        run = evaluate(
            "pandalm-pairs", {"pairs": str(pairs), "protocol": "verdict"}, judge=judge, **options
        )
    readings = {
        (sample["doc"]["id"], order): json.loads(reading)
        for sample in run["samples"]["pandalm-pairs"]
        for order, reading in enumerate(sample["filtered_resps"])
    }
    return {"figures": figures(run, "pandalm-pairs"), "readings": readings}


def reasons(told: dict[str, Any]) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for (id, _), reading in told["readings"].items():
        found.setdefault(id, set()).add(reading.get("reason"))
    return found


# One request's fault -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chat", "concurrent"),
    [
        (False, 1),
        (True, 4),
        pytest.param(False, 4, marks=pytest.mark.slow),
        pytest.param(True, 1, marks=pytest.mark.slow),
    ],
)
def test_each_fault_costs_its_own_readings(
    server: JudgeServer, tmp_path: Path, chat: bool, concurrent: int
) -> None:
    """Every fault at once, one pair each; the others' figures are those of a healthy server."""
    pairs, store = pair_file(tmp_path, len(FAULTS) + 4), tmp_path / "store"
    server.faults = {f"item-{2 + i}": fault for i, fault in enumerate(FAULTS)}
    sick = judge_pairs(pairs, remote(server, chat, num_concurrent=concurrent), store)
    failed = {str(2 + i) for i in range(len(FAULTS))}
    assert {id for id, found in reasons(sick).items() if found == {"error"}} == failed
    assert {id for id, found in reasons(sick).items() if found == {None}} == reasons(
        sick
    ).keys() - failed
    assert sick["figures"]["invalid_rate"] == pytest.approx(len(failed) / (len(failed) + 4))
    assert max(server.asked.values()) == 1

    server.faults, server.asked = {}, Counter()
    mended = judge_pairs(pairs, remote(server, chat, num_concurrent=concurrent), store)
    assert {item(prompt) for prompt in server.asked} == {f"item-{id}" for id in failed}
    assert sum(server.asked.values()) == 2 * len(failed)
    assert mended == judge_pairs(pairs, remote(server, chat))


@pytest.mark.parametrize("chat", [False, True], ids=["completions", "chat"])
def test_what_is_said_is_no_failure(
    server: JudgeServer, pairs: Path, tmp_path: Path, chat: bool
) -> None:
    """Nonsense, an empty text, and thoughts that used up all tokens are answers: kept."""
    server.faults = {"item-1": "I like both.", "item-2": " ", "item-3": "null, length"}
    told = judge_pairs(pairs, remote(server, chat), tmp_path / "store")
    found = reasons(told)
    assert [found[id] for id in "0123"] == [{None}, {"no_verdict"}, {"empty"}, {"length"}]
    server.asked.clear()
    assert judge_pairs(pairs, remote(server, chat), tmp_path / "store") == told
    assert not server.asked


@pytest.mark.parametrize("concurrent", [1, 3])
def test_a_prompt_that_fails_its_batch(server: JudgeServer, pairs: Path, concurrent: int) -> None:
    """Prompts of a failed batch are asked one by one, those of the others once."""
    server.faults = {"item-5": "500"}
    told = judge_pairs(pairs, remote(server, batch_size=4, num_concurrent=concurrent))
    assert [id for id, found in reasons(told).items() if "error" in found] == ["5"]
    assert sum(server.asked.values()) <= 16 + 8  # both orders may stand in different batches
    assert max(server.asked.values()) == 2


@pytest.mark.parametrize("concurrent", [1, 3])
def test_retries_are_the_harness_s_own(
    server: JudgeServer, pairs: Path, concurrent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    server.faults = {"item-7": "500", "item-6": "an error"}
    judge_pairs(pairs, remote(server, max_retries=2, num_concurrent=concurrent), limit=8)
    told = {item(prompt): count for prompt, count in server.asked.items()}
    assert told == {f"item-{i}": 1 for i in range(7)} | {"item-7": 2}


def test_log_likelihoods(server: JudgeServer, tmp_path: Path) -> None:
    """NaN stands for a score that was not to be had; it is not kept."""
    judge = remote(server)
    judge.tokenizer, judge.tokenizer_backend = SimpleNamespace(eos_token="</s>"), "huggingface"
    judge.tokenized_requests = True
    judge.tok_encode = lambda text, **_: [ord(letter) for letter in text]
    server.faults = {"item-1": "null"}
    requests = [
        Instance("loglikelihood", {"id": str(i)}, (f"item-{i}:", " Tie"), 0) for i in range(3)
    ]
    for concurrent in (1, 2):
        judge._concurrent = concurrent
        with surviving(judge):
            answers = judge.loglikelihood(requests)
        assert [is_failure(answer) for answer in answers] == [False, True, False]
        assert answers[0][0] == pytest.approx(-sum(ord(letter) % 7 / 7 for letter in " Tie"))


# The whole server's fault --------------------------------------------------------------------


@pytest.mark.parametrize("concurrent", [1, 4])
@pytest.mark.parametrize("fault", ["401", "500", "null", "an error", "drop"])
def test_a_server_that_answers_nothing_ends_the_run(
    server: JudgeServer, pairs: Path, fault: str, concurrent: int, caplog: Capture
) -> None:
    server.everyone = fault
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError) as raised:
        judge_pairs(pairs, remote(server, num_concurrent=concurrent))
    assert server.address in str(raised.value)
    assert "answered none of 5 requests" in str(raised.value)
    assert fault in str(raised.value) or fault in ("null", "an error", "drop")
    assert len(server.asked) <= 5 + concurrent
    assert KEY not in str(raised.value) + caplog.text
    assert KEY not in "".join(record.getMessage() for record in caplog.records)


def test_the_servers_own_words_are_told(server: JudgeServer, pairs: Path) -> None:
    server.everyone = "401"
    with pytest.raises(InputError, match=r"401 .*item refused, key \*\*\*"):
        judge_pairs(pairs, remote(server))


def test_no_server(server: JudgeServer, pairs: Path) -> None:
    judge = remote(server)
    judge.base_url = f"http://me:{KEY}@127.0.0.1:9/v1/completions?api_key={KEY}"
    with pytest.raises(InputError, match=r"ConnectionError") as raised:
        judge_pairs(pairs, judge)
    assert KEY not in str(raised.value)


def test_a_run_of_few_requests_that_all_fail(server: JudgeServer, pairs: Path) -> None:
    server.everyone = "500"
    with pytest.raises(InputError, match="none of 2 requests"):
        judge_pairs(pairs, remote(server), limit=1)


def test_what_no_server_answers_ends_no_resumed_run(server: JudgeServer, tmp_path: Path) -> None:
    """All that is left fails again, but the judge has answered before; a dead server is told."""
    pairs, store = pair_file(tmp_path, 12), tmp_path / "store"
    server.faults = {f"item-{i}": "400" if i % 2 else "drop" for i in range(8)}
    first = judge_pairs(pairs, remote(server), store)
    assert first["figures"]["invalid_rate"] == pytest.approx(8 / 12)
    assert judge_pairs(pairs, remote(server), store) == first
    server.everyone = "401"
    with pytest.raises(InputError, match="none of 5"):
        judge_pairs(pairs, remote(server), store)


# What is said about it, and what is left alone ---------------------------------------------------


def test_failures_are_counted_in_one_line(
    server: JudgeServer, pairs: Path, tmp_path: Path, caplog: Capture
) -> None:
    server.faults = {"item-3": "500"}
    for store, words in ((None, "With --use_cache FILE"), (tmp_path / "store", "The same command")):
        caplog.clear()
        judge_pairs(pairs, remote(server), store)
        (line,) = [r.getMessage() for r in caplog.records if r.name == "pandalm_eval.failures"]
        assert line.startswith("2 of 16 requests to the judge failed")
        assert words in line
    caplog.clear()
    server.faults = {}
    judge_pairs(pairs, remote(server))
    assert not [r for r in caplog.records if r.name == "pandalm_eval.failures"]


def test_everything_is_as_before_afterwards(server: JudgeServer) -> None:
    from lm_eval import evaluator
    from lm_eval.models import api_models

    judge = remote(server)
    before = evaluator.evaluate, api_models.retry, dict(vars(judge)).keys()
    filters = list(logging.getLogger(api_models.__name__).filters)
    with tolerated(), surviving(judge):
        assert evaluator.evaluate is not before[0]
    assert (evaluator.evaluate, api_models.retry) == before[:2]
    assert vars(judge).keys() - before[2] <= {"header", "api_key"}
    assert logging.getLogger(api_models.__name__).filters == filters


@pytest.mark.parametrize(
    "error", [KeyError("a bug"), MemoryError(), KeyboardInterrupt(), InputError("ours")]
)
def test_a_local_judges_error_ends_the_run(pairs: Path, error: BaseException) -> None:
    class Broken(Listener):
        def generate_until(self, requests: list[Instance]) -> list[str]:
            raise error

    with pytest.raises(type(error)):
        judge_pairs(pairs, Broken())


@pytest.mark.parametrize("concurrent", [1, 4])
@pytest.mark.parametrize(
    "error", [AssertionError("ours"), ValueError("no key"), KeyboardInterrupt()]
)
def test_a_remote_judges_own_error_ends_the_run(
    server: JudgeServer, pairs: Path, error: BaseException, concurrent: int
) -> None:
    judge = remote(server, max_retries=3, num_concurrent=concurrent)

    def raises(*_: Any, **__: Any) -> None:
        raise error

    judge._create_payload = raises
    begun = time.monotonic()
    with pytest.raises(type(error)):
        judge_pairs(pairs, judge)
    assert time.monotonic() - begun < 5
