"""The built-in demo county, made once and made again when its makers change."""

import hashlib
from pathlib import Path

from geo.demo import write_demo

STAMP = ".made-by"


def provide_demo(folder: Path) -> Path:
    """Return the demo county's folder, writing it at first use or when this program makes it differently."""
    makers = _digest_makers()
    stamp = folder / STAMP
    if not stamp.is_file() or stamp.read_text() != makers:
        folder.mkdir(parents=True, exist_ok=True)
        write_demo(folder)
        stamp.write_text(makers)
    return folder


def _digest_makers() -> str:
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *(here / "template").rglob("*")]):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
