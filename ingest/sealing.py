"""Who reported a case, sealed at the door: streams, SQL, files and backups hold no name, phone or address in clear.

A sealed text is `sealed1.<key id>.<base64url>`: AES-256-GCM, of a random nonce, the ciphertext and the tag. It is bound
to its place (the event's source and id, and the field), so a sealed text that is moved to another place does not open.
Why so: `docs/decisions/0012-personal-data.md`.
"""

import logging
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingest.records import CaseReported, Reporter, ShiftPlanned
from ingest.settings import SettingError, Settings

FILE: Final = "personal.key"
MARK: Final = "sealed1."
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
ID_DIGITS: Final = 8
SEAL_BYTES: Final = len(MARK) + ID_DIGITS + 1 + NONCE_BYTES + 16
"""How much longer sealed bytes are than what is in them."""

log = logging.getLogger(__name__)

_HEADLINE: Final = "# The keys of personal data, the newest last. Whoever has this file can read who reported cases.\n"
_MARK: Final = MARK.encode()
_ID_END: Final = len(MARK) + ID_DIGITS


class Unreadable(ValueError):  # noqa: N818 - it says what is the case
    """What is sealed cannot be read: its key is not there, it was altered, or it belongs elsewhere."""


class Key(NamedTuple):
    """One key: its id, which is in everything it has sealed, its bytes, and the cipher made of them."""

    id: str
    secret: bytes
    cipher: AESGCM

    @classmethod
    def of(cls, secret: bytes) -> "Key":
        """Return the key with these bytes; its id is a part of their digest."""
        return cls(sha256(b"county brain: personal key" + secret).hexdigest()[:ID_DIGITS], secret, AESGCM(secret))


class Keyring:
    """The keys of one county: the newest seals, all open. A renewed file is noticed by the next who seals or opens.

    path: None for keys that are in no file.
    """

    def __init__(self, keys: Sequence[Key], path: Path | None = None):
        self._keys = tuple(keys)
        self._path = path
        self._stamp = _stamp(path)

    @classmethod
    def make(cls) -> "Keyring":
        """Return a ring with one new key that is kept nowhere."""
        return cls([_make_key()])

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys there are now, the newest last; where the file has gone bad meanwhile, those it had."""
        stamp = _stamp(self._path)
        if stamp != self._stamp and stamp is not None and self._path is not None:
            try:
                self._keys = tuple(_read_keys(self._path))
            except (OSError, SettingError) as error:
                log.error("the keys of personal data stay as they were: %s", error)
            self._stamp = stamp
        return self._keys

    @property
    def secret(self) -> bytes:
        """What makes identities of personal data that nobody without the keys can compute; a renewal keeps it."""
        return sha256(b"county brain: identities" + self.keys[0].secret).digest()

    def seal(self, text: str, *place: str) -> str:
        """Return a text sealed for a place."""
        key = self.keys[-1]
        return f"{MARK}{key.id}.{urlsafe_b64encode(_encrypt(key, text.encode(errors='replace'), place)).decode()}"

    def open(self, text: str, *place: str) -> str:
        """Return what was sealed for this place, and what was never sealed as it is; raises `Unreadable`."""
        if not text.startswith(MARK):
            return text
        try:
            sealed = urlsafe_b64decode(text[_ID_END + 1 :])
        except ValueError:
            raise Unreadable("is damaged") from None
        return self._decrypt(text[len(MARK) : _ID_END], sealed, place).decode()

    def seal_bytes(self, body: bytes, *place: str) -> bytes:
        """Return bytes sealed for a place, `SEAL_BYTES` longer."""
        key = self.keys[-1]
        return b"%s%s.%s" % (_MARK, key.id.encode(), _encrypt(key, body, place))

    def open_bytes(self, body: bytes, *place: str) -> bytes:
        """Return what was sealed for this place, and what was never sealed as it is; raises `Unreadable`."""
        if not body.startswith(_MARK):
            return body
        return self._decrypt(body[len(MARK) : _ID_END].decode(errors="replace"), body[_ID_END + 1 :], place)

    def _decrypt(self, id: str, sealed: bytes, place: Sequence[str]) -> bytes:
        key = next((key for key in self.keys if key.id == id), None)
        if key is None:
            held = f"{self._path} has no key {id}" if self._path else f"there is no key {id}"
            raise Unreadable(f"cannot be read with this key: {held}")
        try:
            return key.cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bind(place))
        except (InvalidTag, ValueError):
            raise Unreadable("was altered, or moved here from another place") from None


def name_sealed_by(text: str) -> str | None:
    """Return the id of the key that a text was sealed with; None for one in clear."""
    return text[len(MARK) : _ID_END] if text.startswith(MARK) else None


def seal_reporter(keyring: Keyring, report: CaseReported) -> None:
    """Seal who reported, in place. A record that comes sealed is sealed once more: a sender's text is only a text."""
    if report.reporter is not None:
        fields = msgspec.structs.asdict(report.reporter)
        report.reporter = Reporter(
            **{name: text and keyring.seal(text, report.source, report.id, name) for name, text in fields.items()}
        )


def seal_phone(keyring: Keyring, plan: ShiftPlanned) -> None:
    """Seal the number of somebody who is planned for a shift, in place."""
    if plan.phone is not None:
        plan.phone = keyring.seal(plan.phone, plan.source, plan.id, "phone")


def locate_keys(settings: Settings) -> Path:
    """Return the file of the keys: `PERSONAL_KEY_FILE`, or one in the data folder."""
    return settings.personal_key_file or settings.data_dir / FILE


def provide_keyring(settings: Settings) -> Keyring:
    """Return the county's keys; the first time, make one. Raises `SettingError` where the file cannot be used."""
    path = locate_keys(settings)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_file(path)
        return Keyring(_read_keys(path), path)
    except OSError as error:
        raise SettingError(f"the keys of personal data, {path}, cannot be used: {error.strerror}") from error


def find_keyring(settings: Settings) -> Keyring:
    """Return the county's keys for reading; none where there is no file yet, and then nothing opens."""
    path = locate_keys(settings)
    return provide_keyring(settings) if path.exists() else Keyring([], path)


def renew_key(settings: Settings) -> Keyring:
    """Add a new key, with which everything is sealed from now on; the older ones stay for reading."""
    path = locate_keys(settings)
    keys = [*provide_keyring(settings).keys, _make_key()]
    draft = _name_draft(path)
    _write_keys(draft, keys)
    draft.replace(path)
    return Keyring(keys, path)


def _encrypt(key: Key, body: bytes, place: Sequence[str]) -> bytes:
    # Random: of 2^32 texts under one key, two share a nonce with a chance of 2^-32.
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.cipher.encrypt(nonce, body, _bind(place))


def _bind(place: Sequence[str]) -> bytes:
    # As JSON, so that no two places look the same.
    return msgspec.json.encode(place)


def _stamp(path: Path | None) -> tuple[int, int] | None:
    try:
        status = path.stat() if path else None
    except OSError:
        return None  # what was read is still good
    return status and (status.st_mtime_ns, status.st_ino)


def _make_key() -> Key:
    return Key.of(secrets.token_bytes(KEY_BYTES))


def _make_file(path: Path) -> None:
    # Written whole under another name, then linked: of two processes that start at once, one key wins.
    draft = _name_draft(path)
    _write_keys(draft, [_make_key()])
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _name_draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}")


def _write_keys(path: Path, keys: Sequence[Key]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(_HEADLINE + "".join(f"{urlsafe_b64encode(key.secret).decode()}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())


def _read_keys(path: Path) -> list[Key]:
    keys = []
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                secret = urlsafe_b64decode(line.strip())
            except ValueError:
                secret = b""
            if len(secret) != KEY_BYTES:
                raise SettingError(f"{path}: line {number} is no key of {KEY_BYTES} bytes in base64")
            keys.append(Key.of(secret))
    if not keys:
        raise SettingError(f"{path} has no key in it: put the right file back, or delete it to begin with a new key")
    return keys
