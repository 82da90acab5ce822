"""Labels: a teacher behind a real local server, killed and resumed; faults of the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pandalm_eval.verdicts import Verdict
from train_judge import label
from train_judge.funnel import funnel_file
from train_judge.labelled import Labelled, Order, stream_labelled
from train_judge.prices import Prices, Usage
from train_judge.steps import command

Write = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-a-key-that-nobody-may-see"


class Server(ThreadingHTTPServer):
    """Speaks the chat-completions API.

    The longer response is better, except that `text` may say something else; `fails` tells which
    requests, by their prompt and how often it was asked before, get an error.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.keys: set[str | None] = set()
        self.lock = threading.Lock()
        self.delay = 0.0
        self.tells_usage = True
        self.fails: Callable[[str, int], bool] = lambda prompt, before: False
        self.text: Callable[[str], str | None] = answer

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/chat/completions"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = told["messages"][-1]["content"]
        time.sleep(self.server.delay)
        with self.server.lock:
            before = self.server.asked[prompt]
            self.server.asked[prompt] += 1
            self.server.keys.add(self.headers["Authorization"])
        if self.server.fails(prompt, before):
            self._send(500, {"error": "busy"})
            return
        message = {"role": "assistant", "content": self.server.text(prompt)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        response: dict[str, Any] = {"choices": [choice]}
        if self.server.tells_usage:
            response["usage"] = {"prompt_tokens": 100, "completion_tokens": 10}
        self._send(200, response)

    def _send(self, status: int, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *told: object) -> None: ...


def answer(prompt: str) -> str:
    one, two = (prompt.split(f"### Response {side}:\n")[1].split("\n\n")[0] for side in (1, 2))
    verdict = "Tie" if len(one) == len(two) else "1" if len(one) > len(two) else "2"
    return f"{verdict}\n### Reason: Response {verdict} is longer.\n### Reference: ours"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def pairs(write: Write) -> Path:
    return write_pairs(write, 6)


def write_pairs(write: Write, count: int) -> Path:
    lines = [
        {
            "id": f"p{number}",
            "instruction": f"Task {number}",
            "response1": "a" * (3 if number % 2 else 1),
            "response2": "bb",
            "model1": "one",
            "model2": "two",
        }
        for number in range(count)
    ]
    return write("".join(f"{json.dumps(line)}\n" for line in lines), "pairs.jsonl")


def arguments(server: Server, pairs: Path, output: Path, *more: str) -> list[str]:
    told = f"base_url={server.address},model=teacher-1,num_concurrent=2,max_retries=2,timeout=10"
    model = ("--model", "local-chat-completions", "--model_args", told)
    return [str(pairs), "-o", str(output), *model, *more]


def labels(path: Path) -> list[Labelled]:
    return list(stream_labelled(path))


def notes(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(funnel_file(path).read_text())["notes"]
    return told


def test_both_orders_are_asked_once(
    server: Server,
    pairs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(server, "fails", lambda prompt, before: before == 0 and "Task 3" in prompt)
    output = tmp_path / "labelled.jsonl"
    prices = ("--price_in", "1", "--price_out", "10")
    assert command(label.main, arguments(server, pairs, output, *prices)) == 0

    found = labels(output)
    assert [one.pair.id for one in found] == [f"p{number}" for number in range(6)]
    for number, one in enumerate(found):
        assert [answer.order for answer in one.answers] == [Order.FORWARD, Order.SWAPPED]
        longer = Verdict.FIRST if number % 2 else Verdict.SECOND
        assert {answer.verdict for answer in one.answers} == {longer}  # told for the pair's order
        side = 1 if number % 2 else 2
        assert {answer.reason for answer in one.answers} == {f"Response {side} is longer."}
        assert {answer.source for answer in one.answers} == {"teacher-1"}
    told = notes(output)
    # 12 answers: 12 * 100 / 1e6 * 1 + 12 * 10 / 1e6 * 10; a failed request is not paid for.
    assert told["tokens of prompts"] == 1200
    assert told["cost"] == pytest.approx(0.0024)
    assert server.keys == {f"Bearer {KEY}"}
    assert len(server.asked) == 12
    assert all("Two responses to a task are shown above." in prompt for prompt in server.asked)

    asked = sum(server.asked.values())
    assert command(label.main, arguments(server, pairs, output, *prices)) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert command(label.main, arguments(server, pairs, output, *prices, "--again")) == 0
    assert sum(server.asked.values()) == asked
    written = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert not any(KEY.encode() in content for content in written)
    assert KEY not in caplog.text + "".join(capsys.readouterr())


def test_what_failed_is_asked_again(
    server: Server, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "labelled.jsonl"
    monkeypatch.setattr(server, "fails", lambda prompt, before: "Task 5" in prompt)
    monkeypatch.setattr(server, "tells_usage", False)
    assert command(label.main, arguments(server, pairs, output)) == 0
    assert {answer.verdict for answer in labels(output)[5].answers} == {Verdict.INVALID}
    assert "2 requests failed" in notes(output)["unfinished"]
    assert notes(output)["tokens"].startswith("unknown")
    before = Counter(server.asked)
    monkeypatch.setattr(server, "fails", lambda prompt, before: False)
    assert command(label.main, arguments(server, pairs, output)) == 0
    assert {answer.verdict for answer in labels(output)[5].answers} == {Verdict.FIRST}
    assert "unfinished" not in notes(output)
    again = server.asked - before
    assert all("Task 5" in prompt for prompt in again)
    assert sum(again.values()) == 2


@pytest.mark.parametrize("text", [None, "", "I like both."])
def test_a_teacher_that_says_nothing(
    text: str | None,
    server: Server,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(server, "text", lambda prompt: text)
    output = tmp_path / "labelled.jsonl"
    code = command(label.main, arguments(server, pairs, output))
    if text is None:  # no content at all: as good as no answer
        assert code == 1
        assert "answered none of" in capsys.readouterr().err
        assert not output.exists()
    else:
        assert code == 0
        assert {a.verdict for one in labels(output) for a in one.answers} == {Verdict.INVALID}


def test_a_killed_run_goes_on(server: Server, write: Write, tmp_path: Path) -> None:
    pairs, output = write_pairs(write, 20), tmp_path / "labelled.jsonl"
    server.delay = 0.1
    run = [sys.executable, "-m", "train_judge.label", *arguments(server, pairs, output)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": KEY}
    process = subprocess.Popen(run, cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 60
    while sum(server.asked.values()) < 12 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(2 * server.delay)
    assert not output.exists()
    before = sum(server.asked.values())
    assert 12 <= before < 40
    server.delay = 0.0
    assert command(label.main, run[3:]) == 0
    assert len(labels(output)) == 20
    # Of 40 questions none is asked twice, but for the two in flight and what was on its way back.
    assert 40 <= sum(server.asked.values()) <= 44


def test_no_server(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server()
    server.server_close()
    assert command(label.main, arguments(server, pairs, tmp_path / "labelled.jsonl")) == 1
    assert "answered none of" in capsys.readouterr().err


FAULTS = (
    ("mine.jsonl", '{"instruction": "i"}\n', [], 1, "is no label that is known"),
    ("mine.jsonl", '{"instruction": "i",\n', [], 1, "line 1"),
    (
        "mine.jsonl",
        '{"instruction": "i", "response1": "a", "response2": "b", "verdict": 1}\n[]\n',
        [],
        1,
        "record 1",
    ),
    ("ids.json", [{"idx": 0, "verdict": "1"}], [], 2, "label PAIRS"),
    ("mine.csv", "instruction,response1,response2,verdict\ni,a\n", [], 1, "line 2"),
    ("mine.csv", "instruction,response1\n", [], 1, "no rows"),
    ("mine.csv", b"instruction\n\xff\xff\n", [], 1, "UTF-8"),
)


@pytest.mark.parametrize(("name", "content", "more", "code", "said"), FAULTS)
def test_faults(
    name: str,
    content: object,
    more: list[str],
    code: int,
    said: str,
    write: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "labelled.jsonl"
    output.write_text("before")
    told = ["--from", str(write(content, name)), "-o", str(output), *more]
    assert command(label.main, told) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert output.read_text() == "before"


TEACHERS = (
    # more arguments, what is said; nothing is asked
    (["--model", "no-such-model"], "cannot be had"),
    (["--model", "local-chat-completions", "--model_args", "timeout=soon"], "cannot be loaded"),
    (["--model", "local-chat-completions", "--model_args", "{"], "no JSON"),
    (["--model", "local-chat-completions", "--prompt", "pandalm"], "messages, not bare text"),
)


@pytest.mark.parametrize(("more", "said"), TEACHERS)
def test_a_teacher_that_cannot_be_had(
    more: list[str], said: str, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "labelled.jsonl"
    assert command(label.main, [str(pairs), "-o", str(output), *more]) == 2
    assert said in capsys.readouterr().err
    assert not output.exists()


def test_a_teacher_or_files(pairs: Path, tmp_path: Path) -> None:
    output = ["-o", str(tmp_path / "labelled.jsonl")]
    assert command(label.main, [str(pairs), *output]) == 2
    assert command(label.main, [*output, "--from", str(pairs), "--model", "rule"]) == 2
    assert command(label.main, [*output, "--model", "rule"]) == 2


def test_prices() -> None:
    assert Usage.read({"prompt_tokens": 3, "completion_tokens": None}) is None
    assert Usage.read(None) is None
    notes = Prices().notes(Usage(10, 5), 4, 1)
    assert notes["answers that tell no usage"] == 1
    assert notes["cost"].startswith("unknown")
