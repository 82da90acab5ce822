"""What the page says of a judgment, as HTML of our own words; every other text is escaped.

Texts of pair and judge never come through here: the page has them in boxes of plain text.
"""

from __future__ import annotations

import html

from pandalm_eval.judgments import Probabilities, Protocol
from pandalm_eval.playground.judging import Judged, Order
from pandalm_eval.verdicts import LABELS, Invalid, Verdict

VERDICTS = {
    Verdict.FIRST: "Response 1 is better",
    Verdict.SECOND: "Response 2 is better",
    Verdict.TIE: "Tie",
    Verdict.INVALID: "Invalid: no verdict",
}

REASONS = {
    Invalid.EMPTY: "the judge wrote nothing",
    Invalid.NO_VERDICT: "what the judge wrote does not begin with a verdict",
    Invalid.LENGTH: "the judge ran out of tokens before a verdict stood",
    Invalid.ERROR: "the request to the judge failed",
    Invalid.NOT_FINITE: "a log-likelihood is not a number, or no verdict has any probability",
}

ORDERS = {
    False: "Own order: response 1 shown first",
    True: "Swapped: response 2 shown first",
}

QUEUED, STOPPING, STOPPED = "Waiting for the judge …", "Stopping …", "Stopped"
WAITING = {False: "The judge reads the pair's own order …", True: "… and now the swapped one …"}

CSS = """
.pl-html, .pl-html > * {padding: 0 !important}
.pl-card {border: 1px solid var(--border-color-primary); border-radius: 6px;
  padding: 12px 16px !important; color: var(--body-text-color);
  background: var(--block-background-fill)}
.pl-card :is(h2, h3, h4, p, dt, dd, span, b) {margin: 0; color: inherit}
.pl-card :is(h2, h3) {font-size: 1.25rem}
.pl-card h4 {font-size: 1rem}
.pl-card dl {display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px;
  margin: 6px 0 0}
.pl-card dt {opacity: .75}
.pl-card dd {overflow-wrap: anywhere}
.pl-first, .pl-second {border-left: 6px solid #2563eb}
.pl-tie {border-left: 6px solid #64748b}
.pl-invalid, .pl-error {border-left: 6px solid #dc2626}
.pl-waiting {border-left: 6px solid #f59e0b}
.pl-bars {display: grid; grid-template-columns: max-content 1fr max-content; gap: 4px 12px;
  align-items: center; margin-top: 8px}
.pl-bar {height: 10px; border-radius: 5px; background: var(--border-color-primary)}
.pl-bar i {display: block; height: 100%; border-radius: 5px; background: #2563eb}
.pl-bars b {font-weight: 400; font-variant-numeric: tabular-nums}
"""


# Gradio's HTML has templates of its own; nothing that is filled in may be taken for one.
_TEMPLATES = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;"})


def plain(text: str) -> str:
    """A text that HTML and Gradio's templates show as it is.

    >>> plain("<b>${1}")
    '&lt;b&gt;&#36;&#123;1&#125;'
    """
    return html.escape(text).translate(_TEMPLATES)


def card(kind: str, title: str, *lines: str) -> str:
    """A bordered note; title and lines are escaped."""
    told = "".join(f"<p>{plain(line)}</p>" for line in lines if line)
    return f'<div class="pl-card pl-{kind}"><h3>{plain(title)}</h3>{told}</div>'


def summary(judged: Judged, protocol: Protocol) -> str:
    """The verdict, how it came about, and what to know of it."""
    shortened = "The texts were too long for the judge and were shortened at their ends."
    lines = [_how(judged, protocol), shortened if judged.shortened else ""]
    told = card(judged.verdict.value, VERDICTS[judged.verdict], *lines)
    if judged.probabilities is None:
        return told
    return told.removesuffix("</div>") + bars(judged.probabilities) + "</div>"


def _how(judged: Judged, protocol: Protocol) -> str:
    if judged.swap_changed is None:
        invalid = [o for o in judged.orders if o.reading.verdict is Verdict.INVALID]
        if len(invalid) == 2:
            return "Neither order has a verdict, so the pair has none. That is no tie."
        return "One order has no verdict, so the pair has none. That is no tie."
    changed = "The swap changed the verdict" if judged.swap_changed else ""
    if protocol is Protocol.LOGPROB:
        same = changed or "The swap did not change the verdict"
        return f"{same}. Decided on the mean probabilities of both orders."
    if changed:
        return f"{changed}: the orders disagree, which resolves to a tie."
    return "Both orders say so: the swap did not change the verdict."


def bars(probabilities: Probabilities) -> str:
    """The three probabilities, in percent."""
    rows = "".join(
        f'<span>{VERDICTS[label]}</span><div class="pl-bar"><i style="width:{share:.1%}"></i></div>'
        f"<b>{share:.1%}</b>"
        for label, share in zip(LABELS, probabilities, strict=True)
    )
    return f'<div class="pl-bars">{rows}</div>'


def order_card(order: Order) -> str:
    """One order: verdict, invalidity with its reason, length, time, probabilities."""
    reading = order.reading
    facts = {"Verdict": VERDICTS[reading.verdict]}
    if reading.verdict is Verdict.INVALID:
        facts["Why invalid"] = REASONS[reading.reason] if reading.reason else "unknown"
    tokens = f"{order.tokens:,} tokens" if order.tokens else f"{len(order.prompt):,} characters"
    facts["Prompt"] = tokens + (", shortened to fit" if reading.truncated else ", whole")
    facts["Time"] = seconds(order.seconds)
    rows = "".join(f"<dt>{key}</dt><dd>{plain(told)}</dd>" for key, told in facts.items())
    shares = bars(reading.probabilities) if reading.probabilities else ""
    kind, title = reading.verdict.value, ORDERS[order.swapped]
    return f'<div class="pl-card pl-{kind}"><h4>{title}</h4><dl>{rows}</dl>{shares}</div>'


def seconds(value: float) -> str:
    """A time for people.

    >>> seconds(0.0004), seconds(0.25), seconds(12.34)
    ('under 1 ms', '250 ms', '12.3 s')
    """
    if value < 0.001:
        return "under 1 ms"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def header(judge: str, protocol: Protocol, prompt: str) -> str:
    """Who judges, and how."""
    told = f"Judge {judge}, {protocol.value} protocol, {prompt} prompt; each pair in both orders"
    return f'<div class="pl-card"><h2>PandaLM playground</h2><p>{plain(told)}</p></div>'
