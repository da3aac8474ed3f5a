"""Looking into a folder for files that are new or have changed, and that nobody is still writing."""

from pathlib import Path
from typing import Final

from ingest.polling.sources import Source
from ingest.polling.state import FileMark, Position
from ingest.polling.web import PollError

UNFINISHED: Final = frozenset({".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp"})
"""Names under which programs write what they rename when it is whole."""


class FolderWatch:
    """Remembers a folder's last look, in this process only: a file is ready once two looks saw the same."""

    def __init__(self, source: Source) -> None:
        self._folder = Path(source.folder or "")
        self._glob = source.glob
        self._settled_at_once = source.ready == "renamed"
        self._seen: dict[str, FileMark] = {}

    def look(self, position: Position, mapping: str) -> tuple[list[tuple[str, FileMark]], bool]:
        """Return the files to be read, oldest first, and whether others may still be growing.

        A file that could not be read is read again once it, or the mapping (by its digest), has changed. What is
        no longer there is forgotten in `position.files`. Raises `PollError` where the folder cannot be read.
        """
        found = self._list()
        position.files = {name: mark for name, mark in position.files.items() if name in found}
        wanted = {name: mark for name, mark in found.items() if not _is_done(position.files.get(name), mark, mapping)}
        ready = {name: mark for name, mark in wanted.items() if self._settled_at_once or self._seen.get(name) == mark}
        self._seen = found
        return sorted(ready.items(), key=lambda file: (file[1].mtime_ns, file[0])), len(ready) < len(wanted)

    def open_path(self, name: str) -> Path:
        """Return a file's path."""
        return self._folder / name

    def _list(self) -> dict[str, FileMark]:
        try:
            if not self._folder.is_dir():
                raise PollError(f"there is no folder {self._folder}")
            return {
                path.relative_to(self._folder).as_posix(): FileMark(status.st_size, status.st_mtime_ns)
                for path in self._folder.glob(self._glob)
                if path.is_file() and not _is_unfinished(path) and (status := path.stat())
            }
        except (OSError, ValueError) as reason:
            raise PollError(f"the folder cannot be read: {reason}") from reason


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(".") or path.name.endswith("~") or path.suffix.lower() in UNFINISHED


def _is_done(before: FileMark | None, now: FileMark, mapping: str) -> bool:
    if before is None or not before.is_same_file(now):
        return False
    return before.fault is None or before.mapping == mapping
