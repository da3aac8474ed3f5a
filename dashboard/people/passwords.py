"""Passwords: what is kept of them, which are good enough, and new ones."""

import secrets
import unicodedata
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 12
LONGEST: Final = 128
FEWEST_LETTERS: Final = 5  # that differ from each other
SHORTEST_NAME: Final = 3  # shorter ones are in any password

# Long ones that every guesser tries first (from published lists of leaked passwords, Chinese ones among them); shorter
# ones are refused for their length.
COMMON: Final = frozenset(Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").split())

# Without letters and digits that look alike.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"

# argon2id with the costs of RFC 9106's second recommended option: 64 MiB, 3 passes, 4 lanes.
_hasher: Final = PasswordHasher()
NOBODYS_HASH: Final = _hasher.hash(secrets.token_urlsafe(24))
"""What the password of an account that does not exist is compared with, so that it takes as long."""


def hash_password(password: str) -> str:
    """Return what is kept of a password: argon2id with its costs and a salt of its own."""
    return _hasher.hash(_normalize(password))


def is_right(password: str, kept: str) -> bool:
    """Return whether a password is the one of which `kept` was kept; takes some 50 ms and 64 MiB on purpose."""
    try:
        return _hasher.verify(kept, _normalize(password)) and len(password) <= LONGEST
    except (VerificationError, InvalidHashError):
        return False


def find_fault(password: str, name: str) -> str | None:
    """Return why a new password is refused, as a key of the catalogue's section `login`; None for a good one.

    Length is what counts; nothing is asked of its composition (NIST SP 800-63B, 3.1.1.2).
    """
    plain = _normalize(password).casefold()
    if len(plain) < SHORTEST:
        return "password_short"
    if len(plain) > LONGEST:
        return "password_long"
    if len(name) >= SHORTEST_NAME and name.casefold() in plain:
        return "password_named"
    if plain in COMMON or len(set(plain)) < FEWEST_LETTERS:
        return "password_common"
    return None


def make_password(name: str) -> str:
    """Return a new password for an account that can be read out: 20 random letters and digits, some 115 bits."""
    while True:
        password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
        if find_fault(password, name) is None:
            return password


def _normalize(password: str) -> str:
    # The same characters come composed from one keyboard and decomposed or full-width from another.
    return unicodedata.normalize("NFKC", password)
