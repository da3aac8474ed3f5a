"""The declarations of polled sources: a TOML file, checked when it is read. `docs/poll-a-system.md` describes it."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import httpx
import msgspec
from msgspec import Meta, Struct

from ingest.records import Origin
from ingest.settings import SettingError, Settings

FILE: Final = "polls.toml"
SECRET_WORDS: Final = ("authorization", "cookie", "token", "secret", "password", "key")

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]


class DeclarationError(ValueError):
    """A declaration that cannot be used; the message names the file, the source and the key in one line."""


class Paging(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How an answer goes on: exactly one of `link`, `page` and `offset`.

    link: the path in a JSON answer to the next page's address, or `header`: the `Link` header says it.
    page, offset: the query parameter for the number of the page (from `first`), or of the rows had so far.
    size: rows in a full page; a shorter one is the last. Without it, only an empty one is.
    """

    link: str | None = None
    page: str | None = None
    offset: str | None = None
    first: int = 1
    size: Annotated[int, Meta(ge=1)] | None = None


class Cursor(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is asked for: only rows whose `field` is higher than the highest one had.

    `value` is what goes into the query's `parameter`. `overlap` is taken off first: seconds where the kind is time,
    units of the field where it is number. Only where rows come in `ascending` order is the cursor moved after each
    page rather than after all of them.
    """

    field: str
    parameter: str
    kind: Literal["time", "number", "text"] = "time"
    value: str = "{cursor}"
    overlap: Annotated[float, Meta(ge=0)] | None = None
    format: str | None = None
    start: str | int | float | None = None
    ascending: bool = False


class Source(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One system that is asked again and again: by an address, or in a folder.

    `headers_from`, `query_from` and `key_from` name environment variables, so that no secret is in a file;
    `key_from` is this source's own sender's key (default: the local key).
    """

    name: Name
    mapping: str
    url: str | None = None
    folder: str | None = None
    glob: str = "*"
    ready: Literal["settled", "renamed"] = "settled"
    interval_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    timeout_s: Annotated[float, Meta(ge=1, le=600)] = 30.0
    largest_mb: Annotated[int, Meta(ge=1, le=128)] = 32
    pages_at_most: Annotated[int, Meta(ge=1)] = 1_000
    headers: dict[str, str] = {}
    headers_from: dict[str, str] = {}
    query: dict[str, str | int | float] = {}
    query_from: dict[str, str] = {}
    paging: Paging | None = None
    cursor: Cursor | None = None
    origin: Origin = "live"
    key_from: str | None = None


class _File(Struct, forbid_unknown_fields=True):
    source: list[Source]


def find_declarations(settings: Settings) -> Path | None:
    """Return the file of declarations: `POLLS`, else `DATA_DIR/polls.toml`, else the county pack's; None without any.

    Raises `SettingError` where `POLLS` names no file.
    """
    if settings.polls:
        if not settings.polls.is_file():
            raise SettingError(f"POLLS: there is no file {settings.polls}")
        return settings.polls
    folders = [settings.data_dir, *([settings.county] if settings.county else [])]
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)


def read_sources(path: Path) -> list[Source]:
    """Return the sources that a file declares, with paths made absolute from the file's place.

    Raises `DeclarationError` naming the first key that is missing, unknown or wrong.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise DeclarationError(f"{path}: {reason.strerror}") from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise DeclarationError(f"{path}: not TOML: {reason}") from reason
    try:
        sources = msgspec.convert(tree, _File).source
    except msgspec.ValidationError as reason:
        raise DeclarationError(f"{path}: {reason}") from None
    names = [source.name for source in sources]
    for source in sources:
        problem = "name: another source has it" if names.count(source.name) > 1 else _find_problem(source)
        if problem:
            raise DeclarationError(f"{path}: source {source.name}: {problem}")
    return [_settle_paths(source, path.parent.resolve()) for source in sources]


def _find_problem(source: Source) -> str | None:
    if (source.url is None) == (source.folder is None):
        return "needs either url or folder"
    if source.folder is not None:
        unfit = ("headers", "headers_from", "query", "query_from", "paging", "cursor")
        named = next((name for name in unfit if getattr(source, name)), None)
        return f"{named}: a folder has none" if named else None
    return _find_web_problem(source)


def _find_web_problem(source: Source) -> str | None:
    try:
        url = httpx.URL(source.url or "")
    except httpx.InvalidURL as reason:
        return f"url: {reason}"
    if url.scheme not in ("http", "https") or not url.host:
        return "url: must be http://HOST/… or https://HOST/…"
    if url.userinfo:
        return "url: a password does not belong into a file; see headers_from"
    for table, values in (("headers", source.headers), ("query", source.query)):
        for name in values:
            if any(word in name.lower() for word in SECRET_WORDS):
                return f"{table}.{name}: a secret does not belong into a file; name its variable in {table}_from"
    paging = source.paging
    if paging and sum(way is not None for way in (paging.link, paging.page, paging.offset)) != 1:
        return "paging: needs exactly one of link, page, offset"
    if source.cursor and "{cursor}" not in source.cursor.value:
        return "cursor.value: must contain {cursor}"
    if source.cursor and source.cursor.kind == "text" and source.cursor.overlap:
        return "cursor.overlap: a text has no distance to another; leave it out"
    return None


def _settle_paths(source: Source, beside: Path) -> Source:
    folder = None if source.folder is None else str(beside / source.folder)
    return msgspec.structs.replace(source, mapping=str(beside / source.mapping), folder=folder)
