"""Fetching against a server on this machine; every file here is generated, none is the data."""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from pandalm_eval import data
from pandalm_eval.cli import data as command
from pandalm_eval.errors import InputError, UsageError

ONE = bytes(range(256)) * 2000  # 512,000 bytes: several blocks
TWO = b"hello\n"  # `git hash-object` says ce013625030ba8dba906f756967f9e9ca394464a
HALF = len(ONE) // 2
URL = {"/o/r/c0ffee/one": ONE, "/o/r/c0ffee/two": TWO}
CATALOGUE = f"""
alpha:
  repository: o/r
  commit: c0ffee
  licence: MIT
  citation: A (2024).
  files:
    - {{path: alpha/one.json, source: one, bytes: {len(ONE)}, records: 7,
       checksum: "sha256:{hashlib.sha256(ONE).hexdigest()}"}}
    - {{path: alpha/two.json, source: two, bytes: null,
       checksum: "git-blob:ce013625030ba8dba906f756967f9e9ca394464a"}}
beta:
  licence: own
  citation: B (2024).
  files: [{{path: beta/*.json, note: register with B}}]
"""
CHILD = """
import sys, urllib.request
from pathlib import Path
from pandalm_eval import data
data.CATALOGUE = Path(sys.argv[1])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
print(data.fetch(["alpha/one.json"], sys.argv[2], base_url=sys.argv[3], opener=opener))
"""


def open_here(request: urllib.request.Request) -> object:
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        shop, body = self.server.shop, URL[self.path]  # type: ignore[attr-defined]
        shop.seen.append((self.path[-3:], self.headers["Range"]))
        how = shop.modes.pop(0) if shop.modes else "plain"
        start = int((self.headers["Range"] or "bytes=0-")[6:-1]) if how != "no range" else 0
        status = 404 if how == "404" else 416 if start >= len(body) else 206 if start else 200
        sent = body[start:].replace(b"\1", b"\2") if how == "wrong" else body[start:]
        if status >= 400:
            sent = b""
        self.close_connection = True
        self.send_response(status)
        if how == "cut chunks":
            self.send_header("Transfer-Encoding", "chunked")
            sent = b"%x\r\n%s" % (len(sent), sent)  # the end of this chunk never comes
        elif how == "endless":
            sent = sent * 2
        else:
            self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent[: len(sent) // 2] if how in ("cut", "cut chunks", "stall") else sent)
        if how == "stall":
            self.wfile.flush()
            shop.go_on.wait(20)
            self.wfile.write(sent[len(sent) // 2 :])

    def log_message(self, *args: object) -> None:
        pass


class Shop:
    """A server, how it answers its next requests (then plainly), and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.modes: list[str] = []
        self.seen: list[tuple[str, str | None]] = []
        self.go_on, self.folder = threading.Event(), folder / "data"
        self.one = self.folder / "alpha/one.json"
        self.part = self.folder / "alpha/one.json.part"
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.shop = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def fetch(self, *names: str, **options: object) -> list[str]:
        options = {"base_url": self.url, "opener": open_here} | options
        return data.fetch(names or ["alpha/one.json"], self.folder, **options)  # type: ignore[arg-type]

    def child(self) -> subprocess.Popen[str]:
        arguments = [CHILD, str(data.CATALOGUE), str(self.folder), self.url]
        root = Path(data.__file__).parents[1]
        run = [sys.executable, "-c", *arguments]
        return subprocess.Popen(run, cwd=root, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    monkeypatch.setattr(data, "CATALOGUE", tmp_path / "catalogue.yaml")
    shop = Shop(tmp_path)
    yield shop
    shop.go_on.set()
    shop.server.shutdown()
    shop.server.server_close()


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_fetch_downloads_once(shop: Shop) -> None:
    assert shop.fetch("alpha") == ["alpha/one.json", "alpha/two.json"]
    assert (shop.one.read_bytes(), shop.one.with_name("two.json").read_bytes()) == (ONE, TWO)
    assert not list(shop.folder.rglob("*.part"))
    assert shop.fetch("alpha") == []
    assert shop.seen == [("one", None), ("two", None)]
    assert data.locate("alpha/one.json", shop.folder) == shop.one


@pytest.mark.parametrize(
    ("before", "modes", "ranges"),
    [
        (ONE[:HALF], ["plain"], [f"bytes={HALF}-"]),
        (ONE[:HALF], ["no range"], [f"bytes={HALF}-"]),
        (b"x" * HALF, ["plain"], [f"bytes={HALF}-", None]),  # a wrong part: once more, whole
        (ONE + b"x", ["plain"], [f"bytes={len(ONE) + 1}-", None]),  # 416: too long to be a part
        (ONE, [], []),  # stopped between the last byte and the rename
    ],
)
def test_part_is_resumed(
    shop: Shop, before: bytes, modes: list[str], ranges: list[str | None]
) -> None:
    shop.part.parent.mkdir(parents=True)
    shop.part.write_bytes(before)
    shop.modes = modes
    assert shop.fetch() == ["alpha/one.json"]
    assert shop.one.read_bytes() == ONE
    assert not shop.part.exists()
    assert [asked for _, asked in shop.seen] == ranges


@pytest.mark.parametrize("how", ["cut", "cut chunks"])
def test_cut_connection_keeps_the_part(shop: Shop, how: str) -> None:
    shop.modes = [how]
    broke = r"alpha/one.json could not be fetched from http://127.*/o/r/c0ffee/one: the connection "
    broke += "broke.*Run the command again to go on where it stopped, or put these files there"
    with pytest.raises(InputError, match=broke):
        shop.fetch()
    kept = shop.part.stat().st_size
    assert 0 < kept <= HALF + 10
    assert not shop.one.exists()
    assert shop.fetch() == ["alpha/one.json"]
    assert shop.seen == [("one", None), ("one", f"bytes={kept}-")]
    assert shop.one.read_bytes() == ONE


@pytest.mark.parametrize(
    ("modes", "before", "size", "asked"),
    [(["wrong"], b"", 512000, 1), (["endless"], b"", r"5\d+", 1), (["wrong"] * 2, b"x", 512000, 2)],
)
def test_wrong_content_is_not_kept(
    shop: Shop, modes: list[str], before: bytes, size: object, asked: int
) -> None:
    shop.part.parent.mkdir(parents=True)
    shop.part.write_bytes(before)
    shop.modes = modes
    message = (
        rf"one.json: http://.*/one sent {size} bytes with sha256:[0-9a-f]{{64}}; what belongs "
    )
    message += r"there has 512000 bytes and sha256:[0-9a-f]{64}. Nothing was kept"
    with pytest.raises(InputError, match=message):
        shop.fetch()
    assert (len(shop.seen), shop.one.exists(), shop.part.exists()) == (asked, False, False)


def test_killed_process_leaves_only_the_part(shop: Shop) -> None:
    shop.modes = ["stall"]
    with shop.child() as child:
        wait_until(lambda: shop.part.exists() and shop.part.stat().st_size > 0)
        child.kill()
    kept = shop.part.stat().st_size
    assert not shop.one.exists()
    assert shop.fetch() == ["alpha/one.json"]
    assert (shop.seen[1], shop.one.read_bytes()) == (("one", f"bytes={kept}-"), ONE)


def test_two_processes_download_once(shop: Shop) -> None:
    shop.modes = ["stall"]
    with shop.child() as first:
        wait_until(lambda: len(shop.seen) == 1)
        with shop.child() as second:
            time.sleep(0.5)  # by now it waits for the lock; were it later, the outcome is the same
            shop.go_on.set()
            out = [first.communicate()[0], second.communicate()[0]]
    assert out == ["['alpha/one.json']\n", "[]\n"]
    assert (len(shop.seen), shop.one.read_bytes()) == (1, ONE)


def test_changed_file_is_never_replaced_silently(shop: Shop) -> None:
    shop.one.parent.mkdir(parents=True)
    shop.one.write_bytes(b"mine")
    found = "sha256:" + hashlib.sha256(b"mine").hexdigest()
    assert [(s.status, s.found) for s in data.verify(["alpha"], shop.folder)] == [
        ("changed", found),
        ("missing", None),
    ]
    with pytest.raises(
        InputError, match=r"not the published content.*one\.json\. Move it.*--force"
    ):
        shop.fetch()
    assert (shop.one.read_bytes(), shop.seen) == (b"mine", [])
    assert shop.fetch(force=True) == ["alpha/one.json"]
    assert [s.status for s in data.verify(["alpha/one.json"], shop.folder)] == ["ok"]


def test_offline_says_what_to_put_where(shop: Shop) -> None:
    def offline(request: urllib.request.Request) -> object:
        raise urllib.error.URLError("Name or service not known")

    with pytest.raises(InputError) as caught:
        shop.fetch("alpha", opener=offline)
    raw = "https://raw.githubusercontent.com/o/r/c0ffee"
    assert str(caught.value) == (
        f"alpha/one.json could not be fetched from {shop.url}/o/r/c0ffee/one: <urlopen error Name "
        "or service not known>. Run the command again to go on where it stopped, or put these "
        f"files there by hand:\n  {shop.one} from o/r @ c0ffee, one ({raw}/one)"
        f"\n  {shop.one.with_name('two.json')} from o/r @ c0ffee, two ({raw}/two)"
    )


@pytest.mark.parametrize("reason", ["404", "a file in place of the folder", "locked", "by hand"])
def test_fetch_errors(shop: Shop, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.modes = [reason]
    monkeypatch.setattr(data, "LOCK_SECONDS", 0.1)
    if reason == "a file in place of the folder":
        shop.folder.write_text("")
    if reason == "by hand":
        with pytest.raises(InputError, match=r"^beta/\*\.json: register with B$"):
            shop.fetch("beta/*.json")
        assert shop.fetch("beta") == []
    elif reason == "404":
        with pytest.raises(InputError, match=r"c0ffee/one: HTTP Error 404: Not Found. Run the"):
            shop.fetch()
    else:
        if reason == "locked":
            shop.one.parent.mkdir(parents=True)
        folder = shop.one.parent if reason == "locked" else shop.folder.parent
        told = (
            r"one\.json cannot be written: .*Its folder was chosen by data_dir; choose another with"
        )
        with FileLock(folder / "one.json.lock"), pytest.raises(InputError, match=told):
            shop.fetch()


def test_network_is_https_and_answers_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(urllib.error.URLError, match="http://x/ is not https"):
        data.open_https(urllib.request.Request("http://x/"))
    request = urllib.request.Request("https://x/")
    with pytest.raises(urllib.error.URLError, match="redirected to http://y/, which is not https"):
        data._HttpsOnly().redirect_request(request, None, 302, "Found", {}, "http://y/")
    followed = data._HttpsOnly().redirect_request(request, None, 302, "Found", {}, "https://y/")
    assert followed is not None
    assert followed.full_url == "https://y/"

    class Silent(urllib.request.OpenerDirector):
        def open(self, *request: object, **options: object) -> None:
            time.sleep(5)

    monkeypatch.setattr(data, "SECONDS", 0.05)
    monkeypatch.setattr(data, "build_opener", lambda *handlers: Silent())
    with pytest.raises(urllib.error.URLError, match=r"no answer within 0\.05 s"):
        data.open_https(request)


@pytest.mark.parametrize(
    ("data_dir", "settings", "folder", "chosen_by"),
    [
        ("/a", {"PANDALM_DATA": "/b"}, "/a", "data_dir"),
        (None, {"PANDALM_DATA": "/b", "XDG_CACHE_HOME": "/c"}, "/b", "PANDALM_DATA"),
        (None, {"PANDALM_DATA": "", "XDG_CACHE_HOME": "/c"}, "/c/pandalm_eval/data", "the default"),
        (None, {"XDG_CACHE_HOME": "c"}, "/home/.cache/pandalm_eval/data", "the default"),
    ],
)
def test_folder_and_missing_file(
    data_dir: str | None,
    settings: dict[str, str],
    folder: str,
    chosen_by: str,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PANDALM_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home"} | settings).items():
        monkeypatch.setenv(name, value)
    assert data.data_folder(data_dir) == Path(folder)
    with pytest.raises(InputError) as caught:
        data.locate("alpha/two.json", data_dir)
    assert str(caught.value).startswith(
        f"alpha/two.json is missing or unreadable: looked for {folder}/alpha/two.json (folder "
        f"chosen by {chosen_by}"
    )
    flag = " --data_dir /a" if data_dir else ""
    assert str(caught.value).endswith(
        f" Run `pandalm-eval data fetch alpha{flag}`, or put it there from o/r @ c0ffee, two "
        "(https://raw.githubusercontent.com/o/r/c0ffee/two)"
    )
    with pytest.raises(InputError, match=r"fetch beta.*`; register with B$"):
        data.locate("beta/x.json", data_dir)


def test_folder_errors(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="data_dir is empty: name a folder, or leave it out"):
        data.data_folder("")
    with pytest.raises(InputError, match=r"no data folder: .*home.*Set data_dir or PANDALM_DATA\."):
        data.data_folder("~nobody-of-this-name/x")
    shop.one.mkdir(parents=True)
    with pytest.raises(InputError, match=r"alpha/one\.json cannot be read: Is a directory"):
        data.verify([], shop.folder)


def test_command(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    local = functools.partial(data.fetch, base_url=shop.url, opener=open_here)  # type: ignore[arg-type]
    monkeypatch.setattr(data, "fetch", local)

    def run(*typed: str) -> tuple[int, str, str]:
        args = parser.parse_args(["data", *typed, "--data_dir", str(shop.folder)])
        return (args.handler(args), *capsys.readouterr())

    told = f"data folder: {shop.folder}\n"
    assert run("fetch", "alpha/two.json") == (0, "fetched  alpha/two.json\n", told)
    assert run("verify")[:2] == (1, "missing  alpha/one.json\nok       alpha/two.json\n")
    shop.one.write_bytes(b"mine")
    assert re.match(r"changed  \S+/one.json  expected sha256:\w+, found sha", run("verify")[1])
    assert run("fetch", "--force") == (
        0,
        "fetched  alpha/one.json\npresent  alpha/two.json\n",
        told + "not fetched: beta/*.json: register with B\n",
    )
    assert run("verify", "alpha") == (0, "ok       alpha/one.json\nok       alpha/two.json\n", "")
    code, out, err = run("list")
    assert (code, err) == (0, told)
    assert [re.split("  +", line) for line in out.splitlines()[1:]] == [
        ["alpha/one.json", "ok", "7", "512000", "MIT", "o/r @ c0ffee"],
        ["alpha/two.json", "ok", "-", "-", "MIT", "o/r @ c0ffee"],
        ["beta/*.json", "by hand: 0", "-", "-", "own", "its owner"],
    ]
    for verb in ("list", "fetch", "verify"):
        with pytest.raises(UsageError) as caught:
            run(verb, "alpa", "alpha", "x")
        assert str(caught.value) == (
            "no set or file of the data is called 'alpa', 'x'; sets: alpha, beta; files: "
            "alpha/one.json, alpha/two.json, beta/*.json"
        )
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["data", "verify", "--force"])


def test_catalogue_pins_every_file() -> None:
    files = data.choose()
    assert [sum(f.set == s for f in files) for s in ("pandalm", "lsat", "pubmedqa", "bioasq")] == [
        5, 3, 2, 2
    ]  # fmt: skip
    assert [f.path for f in files if not f.repository] == ["bioasq/*_golden.json"]
    for file in files:
        assert file.path.startswith(f"{file.set}/")
        assert file.licence
        assert file.citation
        if file.repository:
            assert re.fullmatch("[0-9a-f]{40}", file.commit)
            assert re.fullmatch("sha256:[0-9a-f]{64}|git-blob:[0-9a-f]{40}", file.checksum)
            assert file.records
            assert file.source
