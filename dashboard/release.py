"""The release that runs: a browser whose page another one made can tell, and take the new one by itself."""

import hashlib
import logging
from functools import cache
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_ROOT: Final = Path(__file__).parent.parent
_BUNDLE_VERSION: Final = "assets/build/version.txt"
_MADE_OF: Final = (
    "dashboard/**/*.py",
    "dashboard/**/*.toml",
    "layers/**/*.py",
    "assets/*.*",
    _BUNDLE_VERSION,
)


def read_bundle_version() -> str:
    """Return the version of the pages' script and style sheet; empty, with an error logged, where they are missing."""
    try:
        return (_ROOT / _BUNDLE_VERSION).read_text()
    except FileNotFoundError:
        log.error("the bundle is missing: run `make setup`")
        return ""


@cache
def name_release() -> str:
    """Return a short name of what pages are made of: skeletons, texts, layers, style sheets and the map's bundle."""
    digest = hashlib.sha256()
    for pattern in _MADE_OF:
        for path in sorted(_ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
