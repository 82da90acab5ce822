"""`pandalm-eval playground`: a local page on which a judge reads a pair in both orders."""

from __future__ import annotations

import argparse
import errno
import importlib.util
import ipaddress
import json
import os
import socket
import sys
import threading
from typing import Any

from pandalm_eval.errors import InputError, UsageError

_FIRST_PORT = 7860
_PORTS = 100


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = "open a local page on which a judge reads a pair that you type, in both orders"
    parser = subparsers.add_parser("playground", help=text, description=text)
    parser.add_argument("--model", required=True, help="as for `run`: hf-judge, hf, rule, …")
    parser.add_argument("--model_args", default="", metavar="ARGS", help="key=value,… or JSON")
    parser.add_argument(
        "--protocol",
        choices=("full", "verdict", "logprob"),
        default="full",
        help="verdict, reason and reference; the verdict alone; or the probabilities of the three "
        "verdicts (default: %(default)s)",
    )
    parser.add_argument(
        "--prompt", choices=("pandalm", "chat"), default="pandalm", help="default: %(default)s"
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    parser.add_argument(
        "--port", type=int, metavar="N", help=f"default: the first free one from {_FIRST_PORT}"
    )
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Load the judge, open the page, and serve until Ctrl-C; the answer is its address."""
    if importlib.util.find_spec("gradio") is None:
        raise InputError(
            "the playground needs the package gradio: pip install 'pandalm_eval[playground]'."
        )
    port = free_port(arguments.host, arguments.port)
    _warn_of(arguments.host)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    from pandalm_eval.cli.run import explained
    from pandalm_eval.judges import JudgeModel
    from pandalm_eval.judgments import Protocol
    from pandalm_eval.playground import page
    from pandalm_eval.playground.judging import Playground
    from pandalm_eval.prompts import PromptStyle

    told = {"model": arguments.model, "model_args": _model_args(arguments.model_args)}
    with explained():
        playground = Playground(
            JudgeModel.read(told), Protocol(arguments.protocol), PromptStyle(arguments.prompt)
        )
    blocks = page.build(playground)
    print(page.launch(blocks, arguments.host, port), flush=True)
    print("Ctrl-C ends it.", file=sys.stderr)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        blocks.close(verbose=False)
    return 0


def _model_args(told: str) -> Any:
    if not told.lstrip().startswith("{"):
        return told
    try:
        return json.loads(told)
    except ValueError as error:
        raise UsageError(f"--model_args {told!r} is no JSON ({error}).") from None


def _warn_of(host: str) -> None:
    if not _is_loopback(host):
        print(
            f"pandalm-eval: warning: everyone who can reach {host} can read this page and use the "
            "judge; there is no password. Leave --host out for this machine only.",
            file=sys.stderr,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free_port(host: str, port: int | None) -> int:
    """The port asked for, or the first free one; looked for before the judge is loaded.

    Raises:
        UsageError: no port has that number.
        InputError: it is in use, or the host is none of this machine's.
    """
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"--port {port}: take a number from 1 to 65535.")
    ports = range(_FIRST_PORT, _FIRST_PORT + _PORTS) if port is None else (port,)
    for candidate in ports:
        try:
            family, kind, _, _, address = socket.getaddrinfo(
                host, candidate, type=socket.SOCK_STREAM
            )[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except (socket.gaierror, UnicodeError) as error:
            raise InputError(f"--host {host}: is no address ({error}). Leave it out.") from None
        except PermissionError:
            raise InputError(
                f"--port {candidate}: this user may not open it. Take one from 1024 on."
            ) from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InputError(
                    f"--host {host}: is no address of this machine ({error.strerror}). Leave it "
                    "out for this machine only, or take 0.0.0.0 for all its addresses."
                ) from None
            continue
        return candidate
    if port is None:
        raise InputError(
            f"all ports from {ports[0]} to {ports[-1]} of {host} are in use. Name a free one: "
            "--port N."
        )
    raise InputError(
        f"port {port} of {host} is in use. Take another --port, or leave it out for the first free "
        "one."
    )
