"""The page: Gradio's boxes around `judging` and `words`. Gradio is imported when it is built.

It works without a network: no analytics, no link for sharing, the system's fonts, and a content
security policy under which the browser asks this server only. Texts of pair and judge stand in
boxes of plain text; HTML is made in `words` of nothing else than our own words.
"""
# Annotations are not put off here: Gradio reads `gr.Request` from a function's own.

import os
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from pandalm_eval.demo.__main__ import PAIRS
from pandalm_eval.judgments import Protocol
from pandalm_eval.pairs import read_pairs
from pandalm_eval.playground import words
from pandalm_eval.playground.judging import Order, Playground, Stopped, read_pair, sentence
from pandalm_eval.results import judge_name

EXAMPLES = ("demo-001", "demo-008", "demo-019", "demo-033", "demo-040", "demo-052", "demo-059")
"""Pairs of the demo that stand below the page."""

_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    b"connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

_Message = MutableMapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]


class Sealed:
    """ASGI middleware: every answer forbids the browser to ask anyone else."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: _Message, receive: Any, send: _Send) -> None:
        """Hand on, with the headers added."""

        async def sealed(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, receive, sealed)


def build(playground: Playground) -> Any:
    """The page as Gradio's Blocks; its endpoint is `judge`."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    writes = playground.protocol is Protocol.FULL
    told = {"model": playground.judge.model, "model_args": playground.judge.arguments}
    stops: dict[str, threading.Event] = {}

    def box(label: str, lines: int, **more: Any) -> Any:
        return gr.Textbox(label=label, lines=lines, max_lines=12, **more)

    def answer(label: str, lines: int = 2) -> Any:
        return box(label, lines, interactive=False, buttons=["copy"])

    def note(content: str = "") -> Any:
        return gr.HTML(content, elem_classes="pl-html")

    with gr.Blocks(title="PandaLM playground", analytics_enabled=False) as page:
        note(words.header(judge_name(told), playground.protocol, playground.prompt.value))
        with gr.Row():
            instruction = box("Instruction", 2, placeholder="The task", autofocus=True)
            input = box("Input", 2, placeholder="What the task is about; may be empty")
        with gr.Row():
            responses = [box(f"Response {number}", 5) for number in (1, 2)]
        fields = [instruction, input, *responses]
        with gr.Row():
            run = gr.Button("Judge", variant="primary", scale=3)
            stop = gr.Button("Stop", scale=1)
            clear = gr.Button("Clear", scale=1)
        banner = note()
        shown: list[list[Any]] = []
        with gr.Row():
            for swapped in (False, True):
                with gr.Column():
                    column = [note()]
                    if writes:
                        column.append(answer(f"Reason{_named(swapped)}"))
                        column.append(answer("Reference: the judge's own answer"))
                    with gr.Accordion("Exact prompt and text", open=False):
                        column.append(answer("Prompt", 6))
                        if playground.protocol is not Protocol.LOGPROB:
                            column.append(answer("What the judge wrote"))
                    shown.append(column)
        results = [banner, *shown[0], *shown[1]]
        pairs = {pair.id: pair for pair in read_pairs(PAIRS)}
        examples = [pairs[id] for id in EXAMPLES]
        gr.Examples(
            [[pair.instruction, pair.input, pair.response1, pair.response2] for pair in examples],
            inputs=fields,
            example_labels=[_short(pair.instruction) for pair in examples],
            cache_examples=False,
        )

        def judge(
            instruction: str, input: str, response1: str, response2: str, request: gr.Request
        ) -> Iterator[dict[Any, Any]]:
            own = stops.setdefault(str(request.session_hash), threading.Event())
            # Every answer is whole, so that the last one tells all to whoever asks by the API.
            known: dict[Any, Any] = dict.fromkeys(results, "")
            orders: list[Order] = []
            try:
                pair = read_pair(instruction, input, response1, response2)
                yield known | {banner: words.card("waiting", words.WAITING[False])}
                for order in playground.read(pair, own):
                    orders.append(order)
                    texts = _texts(order, playground.protocol)
                    known |= dict(zip(shown[order.swapped], texts, strict=True))
                    if not order.swapped:
                        yield known | {banner: words.card("waiting", words.WAITING[True])}
                judged = playground.resolve(orders)
                yield known | {banner: words.summary(judged, playground.protocol)}
            except Stopped:
                yield known | {banner: words.card("tie", words.STOPPED)}
            except Exception as error:
                yield known | {banner: words.card("error", "Not judged", sentence(error))}
            finally:
                if stops.get(str(request.session_hash)) is own:
                    del stops[str(request.session_hash)]

        # Not Gradio's own `cancels`: it gives up the waiting, but not what the judge is doing.
        def begin(request: gr.Request) -> str:
            if old := stops.get(str(request.session_hash)):
                old.set()  # who asks again wants the newer answer
            stops[str(request.session_hash)] = threading.Event()
            return words.card("waiting", words.QUEUED)

        def halt(request: gr.Request) -> Any:
            own = stops.get(str(request.session_hash))
            if own is None:
                return gr.skip()
            own.set()
            return words.card("waiting", words.STOPPING)

        unqueued: dict[str, Any] = {"queue": False, "api_visibility": "private"}
        run.click(begin, None, banner, **unqueued).then(
            judge,
            fields,
            results,
            api_name="judge",
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=banner,
        )
        stop.click(halt, None, banner, **unqueued)
        everything = [*fields, *results]
        clear.click(lambda: [""] * len(everything), None, everything, **unqueued)
    return page


def _named(swapped: bool) -> str:
    return ", as written: its Response 1 is your response 2" if swapped else ", as written"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59].rstrip()}…"


def _texts(order: Order, protocol: Protocol) -> list[str]:
    """What the column of an order shows, from top to bottom."""
    texts = [words.order_card(order)]
    if protocol is Protocol.FULL:
        texts += [order.reason, order.reference]
    texts.append(order.prompt)
    return texts if order.text is None else [*texts, order.text]


def launch(page: Any, host: str, port: int) -> str:
    """Serve the page in the background; returns its address."""
    import gradio as gr
    from starlette.middleware import Middleware

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    _, address, _ = page.queue(api_open=False).launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        theme=theme,
        css=words.CSS,
        app_kwargs={"middleware": [Middleware(Sealed)]},
    )
    return str(address)
