"""The two pages of the field as HTML: small, without Dash, and kept by the phone to open without a network."""

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Literal

import jinja2

from dashboard.field.report import CHANNELS, LONGEST_TEXT, MOST_PHOTOS, is_worker
from dashboard.people.viewer import Viewer
from dashboard.text import pick_section, text
from geo.county import County

Page = Literal["report", "status"]

_TEMPLATES: Final = Path(__file__).with_name("templates")
_ASSETS: Final = Path(__file__).parents[2] / "assets"
_STYLES: Final = ("tokens.css", "base.css", "field.css", "login.css", "rounds.css")
# A status is asked for, so its page is no use without a network; `/tasks` keeps its own.
_NOT_KEPT: Final = ("worker.js", "status.js", "tasks.js", "login.css", "rounds.css")
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@dataclass(frozen=True)
class File:
    """A script or style sheet, plain and gzipped."""

    media_type: str
    plain: bytes
    compressed: bytes


class Files:
    """The scripts and style sheets of the field's pages, as the build left them at start.

    `version` is a hash of them and of the pages themselves: a phone that has this version needs nothing more.
    """

    def __init__(self, assets: Path = _ASSETS) -> None:
        paths = [assets / name for name in _STYLES] + sorted((assets / "build" / "field").glob("*"))
        self._files = {path.name: _read_file(path) for path in paths if path.suffix in _TYPES and path.exists()}
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_TEMPLATES.glob("*.html"))))
        for name, file in self._files.items():
            digest.update(name.encode() + b"\0" + file.plain)
        self.version = digest.hexdigest()[:12]

    def find(self, name: str) -> File | None:
        """Return a file by its name."""
        return self._files.get(name)

    def list_addresses(self) -> list[str]:
        """Return the address of everything that a phone must keep to show the report page without a network."""
        names = [name for name in self._files if name not in _NOT_KEPT]
        return [
            f"/report/files/{name}" if is_lasting(name) else f"/report/files/{name}?v={self.version}" for name in names
        ]


@cache
def read_files() -> Files:
    """Return the files as the build left them at start, read once a process."""
    return Files()


def is_lasting(name: str) -> bool:
    """Return whether a file's name has a hash of its content in it: other scripts ask for it by its bare name."""
    return name.startswith("chunk-")


def lay_report(
    county: County, files: Files, lang: str, viewer: Viewer | None, public: frozenset[str], log_in: bool
) -> str:
    """Return the page on which a report is made; a worker's has every class and a severity.

    log_in: whether there is a log-in, to which a worker may go from here.
    """
    worker = viewer if viewer is not None and is_worker(viewer) else None
    config = {
        "version": files.version,
        "revision": county.revision,
        "bbox": county.bbox,
        "worker": worker and {"name": worker.name, "title": worker.title, "channel": CHANNELS[worker.role]},
        "log_in": log_in,
        "most_photos": MOST_PHOTOS,
        "longest_text": LONGEST_TEXT,
        "categories": [
            {
                "code": code,
                "name": row.en if lang == "en" else row.zh,
                "group": row.group.en if lang == "en" else row.group.zh,
            }
            for code, row in county.categories.items()
            if worker is not None or code in public
        ],
        "files": files.list_addresses(),
    }
    return _lay(county, files, "report", lang, config)


def lay_status(county: County, files: Files, lang: str) -> str:
    """Return the page on which a report is looked up."""
    return _lay(county, files, "status", lang, {"version": files.version})


def _lay(county: County, files: Files, page: Page, lang: str, config: dict[str, Any]) -> str:
    return (
        _load_templates()
        .get_template(f"{page}.html")
        .render(
            page=page,
            lang=lang,
            locale="zh-CN" if lang == "zh" else lang,
            other="zh" if lang == "en" else "en",
            version=files.version,
            zone=str(county.time_zone),
            county=county.name.en if lang == "en" else county.name.zh,
            say=partial(text, lang),
            config=json.dumps(config, ensure_ascii=False),
            texts=json.dumps(pick_section(lang, page, "severity"), ensure_ascii=False),
        )
    )


@cache
def _load_templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def _read_file(path: Path) -> File:
    plain = path.read_bytes()
    return File(_TYPES[path.suffix], plain, gzip.compress(plain, 6, mtime=0))
