"""Asking an address for rows: page after page, no further than its own host, never more than fits.

Whatever goes wrong is a `PollError`, with how long the system asks to be left alone.
"""

import io
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

import httpx
import msgspec

from ingest.files.sheets import SUFFIXES, Format, Layout, Row, Sheet, find_path, read_sheet
from ingest.polling.sources import Source
from ingest.polling.state import Position
from ingest.sender import read_retry_after

MOST_REDIRECTS: Final = 5
CONTENT_TYPES: Final[dict[str, Format]] = {
    "text/csv": "csv",
    "application/json": "json",
    "application/geo+json": "geojson",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/vnd.apache.parquet": "parquet",
}


class PollError(RuntimeError):
    """A source could not be read; the message says why, and never with what secret it was asked."""

    def __init__(self, reason: str, retry_after_s: float | None = None):
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class StopError(RuntimeError):
    """The poller was told to stop while an answer came in."""


@dataclass(frozen=True)
class Page:
    """One answer: its rows, and whose version it says it is."""

    sheet: Sheet
    asked: str
    etag: str | None
    modified: str | None


def fetch_pages(
    source: Source, layout: Layout, question: str | None, position: Position, stop: threading.Event
) -> Iterator[Page]:
    """Yield an address's pages, each whole; none at all where the address says that nothing changed.

    `question` is the cursor's part of the query. Raises `PollError` or `SheetError`.
    """
    headers = {**source.headers, **_read_environment(source.headers_from, "headers_from")}
    with httpx.Client(
        headers={"User-Agent": "county-brain", "Accept-Encoding": "gzip", **headers},
        timeout=source.timeout_s,
        trust_env=False,
    ) as client:
        asker = _Asker(source, client, stop)
        url: httpx.URL | None = _start_url(source, question)
        pages, rows, last_body = 0, 0, None
        while url is not None:
            if pages == source.pages_at_most:
                raise PollError(f"more than {pages} pages (pages_at_most)")
            asked = blake2b(str(url).encode(), digest_size=8).hexdigest()
            # Only where one answer is all of it does its version say that there is nothing new.
            is_known = source.paging is None and position.asked == asked
            answer = asker.ask(url, position if is_known else Position())
            if answer is None:
                return
            if answer.body == last_body:
                raise PollError(f"page {pages + 1} is the same as the one before: is the paging as declared?")
            last_body = answer.body
            counter = _RowCounter(_open_answer(source, layout, answer))
            yield Page(counter.sheet, asked, answer.headers.get("etag"), answer.headers.get("last-modified"))
            pages, rows = pages + 1, rows + counter.count
            url = _find_next(source, answer, pages, rows, counter.count)


@dataclass(frozen=True)
class _Answer:
    """An answer taken in whole; `link` is what its `Link` header says comes next."""

    url: httpx.URL
    headers: httpx.Headers
    link: str | None
    body: bytes


class _RowCounter:
    """Counts a sheet's rows as they are read."""

    def __init__(self, sheet: Sheet) -> None:
        self.count = 0
        self.sheet = replace(sheet, rows=self._pass(sheet.rows))

    def _pass(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self.count += 1
            yield row


class _Asker:
    """Asks for one address after another of a source, with its limits."""

    def __init__(self, source: Source, client: httpx.Client, stop: threading.Event) -> None:
        self._source = source
        self._client = client
        self._stop = stop

    def ask(self, url: httpx.URL, known: Position) -> _Answer | None:
        """Return the answer at an address; None where it is still the one known. Raises `PollError`, `StopError`."""
        conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
        headers = {name: value for name, value in conditions.items() if value}
        try:
            for _ in range(MOST_REDIRECTS):
                with self._client.stream("GET", url, headers=headers) as response:
                    if response.status_code == httpx.codes.NOT_MODIFIED:
                        return None
                    if not response.has_redirect_location:
                        return self._read(url, response)
                    url = stay_on_host(url, response.headers["location"])
        except (httpx.HTTPError, httpx.InvalidURL) as reason:
            raise PollError(f"{type(reason).__name__}: {reason}") from reason
        raise PollError(f"more than {MOST_REDIRECTS} redirections")

    def _read(self, url: httpx.URL, response: httpx.Response) -> _Answer:
        if not response.is_success:
            raise PollError(f"HTTP {response.status_code}", read_retry_after(response.headers.get("retry-after")))
        largest = self._source.largest_mb * 2**20
        deadline = time.monotonic() + self._source.timeout_s
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > largest:
                raise PollError(f"the answer has more than {self._source.largest_mb} MiB (largest_mb)")
            if time.monotonic() > deadline:
                raise PollError(f"the answer was not whole after {self._source.timeout_s:g} s (timeout_s)")
            if self._stop.is_set():
                raise StopError
        return _Answer(url, response.headers, response.links.get("next", {}).get("url"), bytes(body))


def stay_on_host(url: httpx.URL, location: str) -> httpx.URL:
    """Return where an answer points to, seen from its own address; raises `PollError` if that is another host.

    Another port is another host, but for the step from http to https; a step back is refused as well.
    """
    target = url.join(location)
    same = (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port)
    safer = (url.scheme, target.scheme) == ("http", "https") and target.host == url.host
    if not (same or safer):
        raise PollError(f"it points to another host, {target.scheme}://{target.netloc.decode(errors='replace')}")
    return target


def _start_url(source: Source, question: str | None) -> httpx.URL:
    url = httpx.URL(source.url or "").copy_merge_params(source.query)
    if source.paging and source.paging.page:
        url = url.copy_set_param(source.paging.page, source.paging.first)
    if source.paging and source.paging.offset:
        url = url.copy_set_param(source.paging.offset, 0)
    if source.cursor and question is not None:
        url = url.copy_set_param(source.cursor.parameter, question)
    return _add_secrets(source, url)


def _add_secrets(source: Source, url: httpx.URL) -> httpx.URL:
    return url.copy_merge_params(_read_environment(source.query_from, "query_from"))


def _find_next(source: Source, answer: _Answer, pages: int, rows: int, rows_on_page: int) -> httpx.URL | None:
    """Return the address of the next page, after so many pages and rows; None after the last one."""
    paging = source.paging
    if paging is None:
        return None
    if paging.link is not None:
        link = answer.link if paging.link == "header" else find_path(_decode(answer.body), paging.link)
        return _add_secrets(source, stay_on_host(answer.url, link)) if isinstance(link, str) and link else None
    if rows_on_page < (paging.size or 1):
        return None
    if paging.page is not None:
        return answer.url.copy_set_param(paging.page, paging.first + pages)
    assert paging.offset is not None
    return answer.url.copy_set_param(paging.offset, rows)


def _open_answer(source: Source, layout: Layout, answer: _Answer) -> Sheet:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    suffix = answer.url.path[answer.url.path.rfind(".") :].lower()
    format = layout.format or CONTENT_TYPES.get(media_type) or SUFFIXES.get(suffix, "json")
    return read_sheet(f"{source.name}: the answer", lambda: io.BytesIO(answer.body), format, layout)


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise PollError(f"paging.link: the answer is no JSON: {reason}") from reason


def _read_environment(names: Mapping[str, str], table: str) -> dict[str, str]:
    values = {}
    for name, variable in names.items():
        if not os.environ.get(variable):
            raise PollError(f"{table}.{name}: the environment has no {variable}")
        values[name] = os.environ[variable]
    return values
