"""The built-in demo county, made once and made again when its makers change."""

import fcntl
import hashlib
from pathlib import Path

from geo.demo import write_demo

STAMP = ".made-by"


def provide_demo(folder: Path) -> Path:
    """Return the demo county's folder, writing it at first use or when this program makes it differently."""
    makers = _digest_makers()
    stamp = folder / STAMP
    if _is_current(stamp, makers):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes may start on an empty data folder at once
        if not _is_current(stamp, makers):
            write_demo(folder)
            stamp.write_text(makers)
    return folder


def _is_current(stamp: Path, makers: str) -> bool:
    return stamp.is_file() and stamp.read_text() == makers


def _digest_makers() -> str:
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *(here / "template").rglob("*")]):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
