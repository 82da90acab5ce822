"""pandalm_eval.playground.page: Gradio's Blocks, asked through their own queue."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pandalm_eval.cli.playground import free_port
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Protocol
from pandalm_eval.models.rule import RuleJudge
from pandalm_eval.models.text import JudgeText
from pandalm_eval.playground import page
from pandalm_eval.playground.judging import Playground
from pandalm_eval.prompts import PromptStyle

pytest.importorskip("gradio", reason="Gradio is not installed (extra playground)")

HOSTILE = "<script>alert(1)</script> ${alert(1)}"


def served(protocol: Protocol) -> Iterator[tuple[str, Any]]:
    from gradio_client import Client

    playground = Playground(JudgeModel("rule", {"name": "longest"}), protocol, PromptStyle.PANDALM)
    blocks = page.build(playground)
    address = page.launch(blocks, "127.0.0.1", free_port("127.0.0.1", None))
    try:
        yield address, Client(address, verbose=False, analytics_enabled=False)
    finally:
        blocks.close(verbose=False)


@pytest.fixture(scope="module")
def full() -> Iterator[tuple[str, Any]]:
    yield from served(Protocol.FULL)


def test_a_pair_is_judged(full: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    texts = (f"1\n\n### Reason: {HOSTILE}\n\n### Reference: Paris", "Well")
    monkeypatch.setattr(RuleJudge, "write", lambda _, doc, *, swapped: JudgeText(texts[swapped]))
    found = full[1].predict("Name it.", "France", "Paris", HOSTILE, api_name="/judge")
    banner, card, reason, reference, prompt, text = found[:6]
    card2, reason2, reference2, prompt2, text2 = found[6:]
    assert "Invalid: no verdict" in banner
    assert "Response 1 is better" in card
    assert "Why invalid" in card2
    assert (reason, reference, reason2, reference2) == (HOSTILE, "Paris", "", "")
    assert (text, text2) == texts
    assert prompt.index("Paris") < prompt.index("alert")
    assert prompt2.index("alert") < prompt2.index("Paris")
    assert "alert" not in banner + card + card2


def test_log_probabilities_are_shown() -> None:
    for _, client in served(Protocol.LOGPROB):
        banner, card, prompt, _, _ = client.predict("Name it.", "", "Paris", "P", api_name="/judge")
        assert "100.0%" in banner
        assert "100.0%" in card
        assert prompt.endswith("### Evaluation:\n")


def test_an_error_is_one_sentence(full: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    banner, card, *_ = full[1].predict(" ", "", "a", "b", api_name="/judge")
    assert "Write an instruction" in banner
    assert card == ""

    def fail(*_: Any, **__: Any) -> JudgeText:
        raise RuntimeError(f"device lost {HOSTILE}")

    monkeypatch.setattr(RuleJudge, "write", fail)
    banner, *_ = full[1].predict("Name it.", "", "a", "b", api_name="/judge")
    assert "The judge failed (RuntimeError: device lost" in banner
    assert "<script" not in banner
    assert "${" not in banner
    assert "Traceback" not in banner


def test_one_judgment_at_a_time(full: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    at_work = threading.Semaphore()
    met = []

    def write(*_: Any, **__: Any) -> JudgeText:
        met.append(at_work.acquire(blocking=False))
        time.sleep(0.05)
        at_work.release()
        return JudgeText("Tie")

    monkeypatch.setattr(RuleJudge, "write", write)
    jobs = [full[1].submit("Name it.", "", "a", "b", api_name="/judge") for _ in range(4)]
    assert all("Tie" in job.result(timeout=60)[0] for job in jobs)
    assert met == [True] * 8


def test_the_page_asks_nobody_else(full: tuple[str, Any]) -> None:
    import httpx

    answer = httpx.get(full[0], trust_env=False)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "http" not in policy
    assert "fonts.googleapis" not in answer.text
    config = httpx.get(f"{full[0]}config", trust_env=False).json()
    assert config["analytics_enabled"] is False
    public = [one for one in config["dependencies"] if one["api_visibility"] == "public"]
    assert [one["api_name"] for one in public] == ["judge"]


_SERVER = """
import sys
asked = set()

def note(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        asked.add(arguments[1][0])
    if event == "socket.getaddrinfo":
        asked.add(arguments[0])

sys.addaudithook(note)
import time
from pandalm_eval.cli.playground import free_port
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Protocol
from pandalm_eval.playground import page
from pandalm_eval.playground.judging import Playground
from pandalm_eval.prompts import PromptStyle

judge = JudgeModel("rule", {"name": "tie"})
blocks = page.build(Playground(judge, Protocol.FULL, PromptStyle.PANDALM))
page.launch(blocks, "127.0.0.1", free_port("127.0.0.1", None))
time.sleep(2)  # analytics would be sent by threads
blocks.close(verbose=False)
print(sorted({host.decode() if isinstance(host, bytes) else str(host) for host in asked}))
"""


def test_the_server_asks_nobody_else() -> None:
    environment = {key: told for key, told in os.environ.items() if key != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", _SERVER],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("['127.0.0.1']"), done.stdout


def test_the_examples_are_pairs_of_the_demo() -> None:
    from pandalm_eval.pairs import read_pairs

    assert set(page.EXAMPLES) < {pair.id for pair in read_pairs(page.PAIRS)}
