"""Photos from phones: made harmless, kept by what they show, handed out by id.

Whatever comes is decoded and encoded anew, so that nothing but pixels is kept: no place, no name of a device, no
preview, nothing hidden behind the picture. A photo waits, for two days at most, for the report that it belongs to.
"""

import hashlib
import io
import os
import re
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST_BYTES: Final = 6 * 1024 * 1024
MOST_PIXELS: Final = {"JPEG": 50_000_000, "PNG": 16_000_000, "WEBP": 16_000_000}
"""By what it is: a JPEG can be decoded small, the others need memory for all of it."""
LONGEST_SIDE: Final = 1600
MOST_SCANS: Final = 200
"""How often a JPEG may tell its picture, each time a walk over all of it: cameras need ten, a small file could ask for
tens of thousands. Any other 6 MB have the mark of a scan some hundred times."""
MOST_WAITING_BYTES: Final = 512 * 1024 * 1024
LEAST_FREE_BYTES: Final = 1024 * 1024 * 1024
"""What photos leave of the disk to everything else."""
WAITING_S: Final = 2 * 86_400
MEDIA_TYPE: Final = "image/jpeg"

_ID: Final = re.compile(r"[0-9a-f]{32}")


class PhotoRefused(ValueError):  # noqa: N818 - it says what happened
    """What came is no photo that can be kept; the message says why."""


class NoRoomForPhotos(RuntimeError):  # noqa: N818 - it says what is the case
    """The disk is nearly full; what is left of it is for cases."""


class File(NamedTuple):
    """A photo on the disk: when it came, in seconds since the epoch."""

    path: Path
    size: int
    came_s: float


class PhotoStore:
    """The photos in a folder: `waiting` holds those whose report has not come, `kept` the others."""

    def __init__(self, folder: Path) -> None:
        self._waiting, self._kept = folder / "waiting", folder / "kept"

    def take(self, body: bytes) -> str:
        """Keep a photo until its report comes and return its id, which is that of what it shows.

        Raises `PhotoRefused`, `NoRoomForPhotos` and `OSError`.
        """
        picture = clean_photo(body)
        id = hashlib.sha256(picture).hexdigest()[:32]
        if self.has(id):
            return id
        self._make_room(len(picture))
        _write_whole(_locate(self._waiting, id), picture)
        return id

    def _make_room(self, size: int) -> None:
        """Let the longest waiting photos go: else who sends some without reports keeps out those of everybody."""
        self._waiting.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._waiting).free < LEAST_FREE_BYTES:
            raise NoRoomForPhotos("the disk is nearly full")
        waiting = sorted(_list_files(self._waiting), key=lambda file: file.came_s)
        too_many = sum(file.size for file in waiting) + size - MOST_WAITING_BYTES
        for file in waiting:
            if too_many <= 0:
                break
            file.path.unlink(missing_ok=True)
            too_many -= file.size

    def has(self, id: str) -> bool:
        """Return whether there is such a photo; anything that is no id is none."""
        return _ID.fullmatch(id) is not None and any(
            _locate(folder, id).exists() for folder in (self._kept, self._waiting)
        )

    def keep(self, id: str) -> bool:
        """Keep a photo for good, because its report is here; False where there is no such photo."""
        if _ID.fullmatch(id) is None:
            return False
        kept, waiting = _locate(self._kept, id), _locate(self._waiting, id)
        if waiting.exists() and not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            waiting.replace(kept)
        return kept.exists()

    def read(self, id: str) -> bytes | None:
        """Return a kept photo as JPEG; None where there is none."""
        if _ID.fullmatch(id) is None:
            return None
        try:
            return _locate(self._kept, id).read_bytes()
        except FileNotFoundError:
            return None

    def forget_old(self, kept_days: int, now_s: float | None = None) -> int:
        """Remove waiting photos after `WAITING_S` and kept ones after `kept_days` (0: never); return how many went."""
        now_s = time.time() if now_s is None else now_s
        removed = 0
        for folder, longest_s in ((self._waiting, WAITING_S), (self._kept, kept_days * 86_400)):
            if longest_s:
                for file in _list_files(folder):
                    if file.came_s < now_s - longest_s:
                        file.path.unlink(missing_ok=True)
                        removed += 1
        return removed


def clean_photo(body: bytes) -> bytes:
    """Return a photo as a JPEG of its pixels alone, upright and at most `LONGEST_SIDE` long; raises `PhotoRefused`.

    The same bytes give the same picture.
    """
    if len(body) > LARGEST_BYTES:
        raise PhotoRefused(f"{len(body)} bytes are more than the {LARGEST_BYTES} a photo may have")
    if body.count(b"\xff\xda") > MOST_SCANS:
        raise PhotoRefused("the photo is told too often")
    try:
        with warnings.catch_warnings():
            # A small file that would unfold into a huge picture.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _encode(_decode(body))
    except UnidentifiedImageError:
        raise PhotoRefused(f"this is no photo: {', '.join(MOST_PIXELS)} are taken") from None
    # Pillow's decoders tell of broken files in these ways.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoRefused(f"the photo cannot be read: {error}") from None


def _decode(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body), formats=tuple(MOST_PIXELS))
    if image.width * image.height > MOST_PIXELS[image.format or ""]:
        raise ValueError(f"{image.width} × {image.height} pixels are too many")
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    flat = Image.new("RGB", upright.size, "white")  # what is transparent would become black
    flat.paste(upright, mask=upright.getchannel("A"))
    return flat


def _encode(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def _locate(folder: Path, id: str) -> Path:
    return folder / id[:2] / f"{id}.jpg"


def _list_files(folder: Path) -> Iterator[File]:
    for path in folder.glob("??/*.jpg*"):  # drafts of a process that died, too
        with suppress(FileNotFoundError):  # its report has come meanwhile
            status = path.stat()
            yield File(path, status.st_size, status.st_mtime)


def _write_whole(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    draft.write_bytes(body)
    draft.replace(path)
