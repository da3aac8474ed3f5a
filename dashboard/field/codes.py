"""The codes that go with numbers of reports: made by a secret that is kept in the data folder."""

import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Final

from dashboard.field.number import check_code, make_code

FILE: Final = "report.key"


class Codes:
    """Makes and checks codes; the secret is made when the first is asked for.

    Every method raises `OSError` where the data folder cannot be used.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE

    def make(self, number: str) -> str:
        """Return the code of a number."""
        return make_code(self._secret, number)

    def check(self, number: str, text: str) -> bool:
        """Return whether a person typed the code of a number."""
        return check_code(self._secret, number, text)

    @cached_property
    def _secret(self) -> bytes:
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Written whole under another name, then linked: of two processes that start at once, one secret wins.
            draft = self._path.with_name(f"{FILE}.{os.getpid()}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(secrets.token_hex(32).encode())
            try:
                os.link(draft, self._path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return self._path.read_bytes().strip()
