"""The form in which a report comes: urlencoded, or multipart without files."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from ingest.reception import FieldError

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
LARGEST_FORM_BYTES: Final = 256 * 1024
MOST_FIELDS: Final = 500
KEY_FIELD: Final = "api_key"

_KEY_NAME: Final = KEY_FIELD.encode()
_FIRST_LINE: Final = re.compile(rb"(--[^\r\n]{1,200})\r\n")
_PART_NAME: Final = re.compile(rb';\s*name=("[^"]*"|[^;\s]+)', re.IGNORECASE)
_PART_FILE: Final = re.compile(rb";\s*filename\*?=", re.IGNORECASE)


class Form:
    """The fields of a form in the order they came, a name perhaps several times; and the names of files with them."""

    def __init__(self, fields: list[tuple[str, str]], files: Sequence[str] = ()) -> None:
        self.fields = fields
        self.files = files

    def check(self) -> None:
        """Raise `FieldError` for what no field may be: a file, or a text that no database can hold."""
        for name in self.files:
            raise FieldError(name or "form", "files are not taken: give a picture's address as media_url")
        for name, text in self.fields:
            if "\0" in name or "\0" in text:
                raise FieldError(name.replace("\0", "") or "form", "contains the character NUL")

    def find(self, name: str, longest: int = 200) -> str | None:
        """Return a field's text, None where it is blank or not there.

        Raises `FieldError` where it is too long or there twice with different texts.
        """
        texts = list(dict.fromkeys(self.find_all(name, longest)))
        if len(texts) > 1:
            raise FieldError(name, "given twice, and not the same")
        return texts[0] if texts else None

    def has(self, name: str) -> bool:
        """Return whether a field is there and not blank."""
        return any(key == name and text.strip() for key, text in self.fields)

    def find_all(self, name: str, longest: int = 200) -> list[str]:
        """Return every text that is given under a name and not blank; raises `FieldError` where one is too long."""
        texts = [text for text in (text.strip() for key, text in self.fields if key == name) if text]
        for text in texts:
            if len(text) > longest:
                raise FieldError(name, f"{len(text)} characters are more than the {longest} it may have")
        return texts


def read_form(body: bytes, content_type: str) -> Form:
    """Return the form in a body; one that begins like a multipart form is read as one, whatever the content type.

    Raises `FieldError` for what is no form, no UTF-8, or endless.
    """
    if len(body) > LARGEST_FORM_BYTES:
        raise FieldError("form", f"{len(body)} bytes are more than the {LARGEST_FORM_BYTES} a form may have")
    try:
        mark = _find_mark(body)
        if mark is not None:
            return _read_parts(body, mark)
        if content_type.lower().startswith(MULTIPART):
            raise FieldError("form", "does not begin like a multipart form")
        return Form(_read_pairs(body))
    except UnicodeDecodeError:
        raise FieldError("form", "not UTF-8") from None


def drop_key(body: bytes) -> bytes:
    """Return a form's bytes without its key, all else as it came; readable or not."""
    mark = _find_mark(body)
    if mark is None:
        return b"&".join(pair for pair in body.split(b"&") if unquote_to_bytes(pair.partition(b"=")[0]) != _KEY_NAME)
    return mark.join(part for part in _split_parts(body, mark) if _name_part(part)[0] != _KEY_NAME)[2:]


def _read_pairs(body: bytes) -> list[tuple[str, str]]:
    text = body.decode()
    if text.count("&") >= MOST_FIELDS:
        raise _too_many()
    return parse_qsl(text, keep_blank_values=True, errors="strict")


def _read_parts(body: bytes, mark: bytes) -> Form:
    _, *parts = _split_parts(body, mark, MOST_FIELDS + 1)
    fields: list[tuple[str, str]] = []
    files: list[str] = []
    for part in parts:
        if part.startswith(b"--"):
            return Form(fields, files)
        name, is_file = _name_part(part)
        content = part.partition(b"\r\n\r\n")[2]
        if name is None:
            raise FieldError("form", "a part of the multipart form has no name")
        if not is_file:
            fields.append((name.decode(), content.decode()))
        elif content:  # a browser sends an empty one where no file was chosen
            files.append(name.decode())
    raise _too_many() if len(parts) > MOST_FIELDS else FieldError("form", "the multipart form has no end")


def _find_mark(body: bytes) -> bytes | None:
    """Return what begins every part, as the first line says it; None where the body is no multipart form."""
    first = _FIRST_LINE.match(body)
    return first and b"\r\n" + first[1]


def _split_parts(body: bytes, mark: bytes, most: int = -1) -> list[bytes]:
    return (b"\r\n" + body).split(mark, most)


def _name_part(part: bytes) -> tuple[bytes | None, bool]:
    """Return the name of a part, and whether it is a file."""
    head = part.partition(b"\r\n\r\n")[0]
    name = _PART_NAME.search(head)
    return name and name[1].strip(b'"'), _PART_FILE.search(head) is not None


def _too_many() -> FieldError:
    return FieldError("form", f"more than {MOST_FIELDS} fields")
