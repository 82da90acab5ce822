"""Where the data lives, what belongs there (`data.yaml`), and how it comes from its owners."""

from __future__ import annotations

import functools
import hashlib
import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import yaml
from filelock import FileLock
from tqdm import tqdm

from pandalm_eval.errors import InputError, UsageError

CATALOGUE = Path(__file__).with_name("data.yaml")
RAW = "https://raw.githubusercontent.com"
SECONDS = 10.0  # to an answer, and between two blocks of it
LOCK_SECONDS = 600.0
LARGEST = 64 * 2**20  # bytes, where the catalogue does not know the size
BLOCK = 2**16
Opener = Callable[[Request], HTTPResponse]
Status = Literal["ok", "missing", "changed"]


@dataclass(frozen=True)
class DataFile:
    """A file of the catalogue; without `repository` it cannot be fetched and `note` says why."""

    path: str
    set: str
    licence: str
    citation: str
    repository: str | None = None
    commit: str = ""
    source: str = ""
    checksum: str = ""
    bytes: int | None = None
    records: int | None = None
    note: str = ""

    def origin(self) -> str:
        where = f"{self.repository} @ {self.commit}, {self.source}"
        return f"{where} ({RAW}/{self.repository}/{self.commit}/{self.source})"


@dataclass(frozen=True)
class FileState:
    """A file against its checksum; `found` is the checksum on disk, None where nothing is."""

    path: str
    status: Status
    expected: str
    found: str | None


class _NetworkFault(Exception):
    """The server was not reached or broke off; `fetch` makes an InputError of it."""


@functools.cache
def _read_catalogue(file: Path) -> tuple[DataFile, ...]:
    sets: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return tuple(
        DataFile(**{k: v for k, v in shared.items() if k != "files"} | {"set": name} | entry)
        for name, shared in sets.items()
        for entry in shared["files"]
    )


def choose(names: Iterable[str] = ()) -> list[DataFile]:
    """The catalogue's files of these sets or paths, in its order; all of them without a name.

    Raises:
        UsageError: names that are neither a set nor a path, with those that are.
    """
    files, wanted = _read_catalogue(CATALOGUE), list(names)
    sets, paths = list(dict.fromkeys(f.set for f in files)), [f.path for f in files]
    if unknown := [repr(name) for name in wanted if name not in sets + paths]:
        raise UsageError(
            f"no set or file of the data is called {', '.join(unknown)}; "
            f"sets: {', '.join(sets)}; files: {', '.join(paths)}"
        )
    return [f for f in files if not wanted or f.set in wanted or f.path in wanted]


def _choose_folder(data_dir: str | Path | None) -> tuple[Path, str]:
    """The data folder and which of the three settings chose it."""
    if data_dir is not None and not str(data_dir).strip():
        raise UsageError("data_dir is empty: name a folder, or leave it out")
    try:
        if data_dir is not None:
            return Path(data_dir).expanduser(), "data_dir"
        if named := os.environ.get("PANDALM_DATA"):
            return Path(named).expanduser(), "PANDALM_DATA"
        cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not cache.is_absolute():  # the XDG convention: a relative path is as good as none
            cache = Path.home() / ".cache"
    except RuntimeError as error:  # a user without a home, as in some containers
        raise InputError(f"no data folder: {error} Set data_dir or PANDALM_DATA.") from error
    return cache / "pandalm_eval" / "data", "the default: neither data_dir nor PANDALM_DATA is set"


def data_folder(data_dir: str | Path | None = None) -> Path:
    """`data_dir`, else PANDALM_DATA, else `pandalm_eval/data` in the user's cache folder.

    Raises:
        UsageError: `data_dir` is an empty string.
        InputError: neither is set and the user has no home folder.
    """
    return _choose_folder(data_dir)[0]


def locate(path: str, data_dir: str | Path | None = None) -> Path:
    """The existing file at `path` (as in the catalogue) of the data folder; content unchecked.

    Raises:
        InputError: missing or unreadable; says where it was looked for and two ways to come by it.
    """
    folder, chosen_by = _choose_folder(data_dir)
    found = folder / path
    if os.access(found, os.R_OK) and found.is_file():  # is_file alone raises in a locked folder
        return found
    message = f"{path} is missing or unreadable: looked for {found} (folder chosen by {chosen_by})."
    if kin := [f for f in _read_catalogue(CATALOGUE) if f.set == path.split("/")[0]]:
        message += f" Run `pandalm-eval data fetch {kin[0].set}"
        message += "`" if data_dir is None else f" --data_dir {shlex.quote(str(data_dir))}`"
        message += "".join(f", or put it there from {f.origin()}" for f in kin if f.path == path)
        message += "".join(f"; {f.note}" for f in kin if f.note)
    raise InputError(message)


def _inspect(file: DataFile, path: Path) -> FileState:
    """How `path` compares with `file`; a git blob's hash is SHA-1 over its length and content.

    Raises:
        InputError: it is there and cannot be read.
    """
    try:
        if not path.exists():
            return FileState(file.path, "missing", file.checksum, None)
        kind, head = file.checksum.split(":")[0], b"blob %d\0" % path.stat().st_size
        digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(head, usedforsecurity=False)
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    found = f"{kind}:{digest.hexdigest()}"
    status: Status = "ok" if found == file.checksum else "changed"
    return FileState(file.path, status, file.checksum, found)


def verify(names: Iterable[str] = (), data_dir: str | Path | None = None) -> list[FileState]:
    """Every chosen file against its checksum; what cannot be fetched has none and is left out."""
    folder = data_folder(data_dir)
    return [_inspect(file, folder / file.path) for file in choose(names) if file.repository]


def listing(
    names: Iterable[str] = (), data_dir: str | Path | None = None
) -> list[tuple[DataFile, str]]:
    """Every chosen file and its status: `by hand: n` if it cannot be fetched and n are there."""
    folder, states = data_folder(data_dir), {s.path: s.status for s in verify(names, data_dir)}
    by_hand = "by hand: {}".format
    return [
        (f, states.get(f.path) or by_hand(len(list(folder.glob(f.path))))) for f in choose(names)
    ]


class _HttpsOnly(HTTPRedirectHandler):
    def redirect_request(self, *request: Any) -> Request | None:
        if not request[-1].startswith("https://"):
            raise URLError(f"redirected to {request[-1]}, which is not https")
        return super().redirect_request(*request)


def open_https(request: Request) -> HTTPResponse:
    """Open a request, and where it is redirected to, over https alone.

    Raises:
        URLError: another scheme, or no answer within SECONDS.
    """
    if request.type != "https":
        raise URLError(f"{request.full_url} is not https")
    answer: futures.Future[HTTPResponse] = futures.Future()

    def ask() -> None:
        try:
            answer.set_result(build_opener(_HttpsOnly).open(request, timeout=SECONDS))
        except Exception as error:
            answer.set_exception(error)

    # A thread, as urllib's timeout counts anew for each address and not for the name look-up.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(SECONDS)
    except futures.TimeoutError:
        raise URLError(f"no answer within {SECONDS:g} s") from None


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives; a broken connection is told apart from a full disk."""
    try:
        while block := response.read1(BLOCK):
            yield block
    except (OSError, HTTPException) as error:
        raise _NetworkFault(f"the connection broke: {error}") from error


def _receive(file: DataFile, part: Path, url: str, opener: Opener) -> bool:
    """Bring `part` to the end of the body; returns whether the server sent only the rest."""
    have, most = part.stat().st_size if part.exists() else 0, file.bytes or LARGEST
    try:
        response = opener(Request(url, headers={"Range": f"bytes={have}-"} if have else {}))
    except (OSError, HTTPException) as error:
        if have and getattr(error, "code", 0) == 416:  # nothing follows: not a part of this file
            return True
        raise _NetworkFault(error) from error
    resumed = have > 0 and response.status == 206  # else the server sends everything again
    got = have if resumed else 0
    due = got + int(response.headers["Content-Length"] or 0)
    bar = tqdm(
        desc=file.path, total=file.bytes, initial=got, unit="B", unit_scale=True, disable=None
    )
    with response, bar, part.open("ab" if resumed else "wb") as sink:
        for block in _blocks(response):
            bar.update(sink.write(block))
            if (got := got + len(block)) > most:  # an endless or a wrong body: the checksum tells
                return resumed
        sink.flush()
        os.fsync(sink.fileno())
    if got < due:
        raise _NetworkFault(f"the connection broke after {got} of {due} bytes")
    return resumed


def _obtain(file: DataFile, target: Path, url: str, opener: Opener) -> bool:
    """Bring one file to `target`; False where another process has just done so."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with FileLock(f"{target}.lock", timeout=LOCK_SECONDS):
        if _inspect(file, target).status == "ok":
            return False
        while _inspect(file, part).status != "ok":
            resumed = _receive(file, part, url, opener)
            if (state := _inspect(file, part)).status == "ok":
                break
            size = part.stat().st_size
            part.unlink()
            if not resumed:  # else what was there before may be to blame: once more from the start
                raise InputError(
                    f"{file.path}: {url} sent {size} bytes with {state.found}; what belongs there "
                    f"has {file.bytes or 'any number of'} bytes and {state.expected}. Nothing was "
                    f"kept: try again, and if it stays so, tell the owners of this package"
                )
        part.replace(target)
    return True


def fetch(
    names: Iterable[str] = (),
    data_dir: str | Path | None = None,
    *,
    force: bool = False,
    base_url: str = RAW,
    opener: Opener = open_https,
) -> list[str]:
    """Download the chosen files that are not there yet; returns the paths it downloaded.

    A file appears under its name only whole and verified; until then it is `NAME.part`, which
    the next run resumes. Several processes may fetch at once.

    Raises:
        InputError: a file differs from its checksum (unless `force`), cannot be written, cannot
            be had from the server, or came with other content; or it is only to be had by hand.
        UsageError: unknown names.
    """
    names = list(names)
    (folder, chosen_by), chosen = _choose_folder(data_dir), choose(names)
    if notes := [f"{f.path}: {f.note}" for f in chosen if not f.repository and f.path in names]:
        raise InputError("; ".join(notes))
    todo = {s.path: s.status for s in verify(names, folder) if s.status != "ok"}
    changed = [str(folder / path) for path, status in todo.items() if status == "changed"]
    if changed and not force:
        raise InputError(
            f"not the published content, so left as it is: {', '.join(changed)}. Move it away, or "
            "replace it with `pandalm-eval data fetch --force`"
        )
    done, waiting = [], [f for f in chosen if f.path in todo]
    for count, file in enumerate(waiting):
        target = folder / file.path
        url = f"{base_url}/{file.repository}/{file.commit}/{file.source}"
        try:
            if _obtain(file, target, url, opener):
                done.append(file.path)
        except _NetworkFault as fault:
            by_hand = "".join(f"\n  {folder / f.path} from {f.origin()}" for f in waiting[count:])
            raise InputError(
                f"{file.path} could not be fetched from {url}: {fault}. Run the command again "
                f"to go on where it stopped, or put these files there by hand:{by_hand}"
            ) from fault
        except OSError as error:
            raise InputError(
                f"{target} cannot be written: {error}. Its folder was chosen by {chosen_by}; "
                "choose another with --data_dir or PANDALM_DATA"
            ) from error
    return done
