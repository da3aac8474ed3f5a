"""Hiding persons: names, telephone numbers and identity numbers, before anything is shown."""

import re
from typing import overload

_HALF_WIDTH = str.maketrans("０１２３４５６７８９", "0123456789")
# Longest first: an identity number contains what looks like telephone numbers.
_NUMBERS = re.compile(
    r"(?<!\d)(?:"
    r"\d{17}[\dXx]"  # identity number of 18 places
    r"|\d{15}"  # and of 15, as issued before 1999
    r"|(?:\+?86[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}"  # mobile
    r"|0\d{2,3}[- ]?\d{7,8}"  # landline with area code
    r"|\d{3}[-. ]\d{3,4}[-. ]\d{4}"  # as written elsewhere
    r")(?!\d)"
)


def mask_name(name: str | None) -> str | None:
    """Return a name as its first character: 张**."""
    return f"{name.strip()[0]}**" if name and name.strip() else None


def mask_phone(phone: str | None) -> str | None:
    """Return a number with its middle hidden: 138****1234; one of fewer than eight digits is hidden wholly."""
    digits = re.sub(r"\D", "", phone or "")
    if not digits:
        return None
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 8 else "****"


@overload
def mask_text(text: str) -> str: ...
@overload
def mask_text(text: None) -> None: ...
@overload
def mask_text(text: str | None) -> str | None: ...
def mask_text(text: str | None) -> str | None:
    """Return a text with telephone and identity numbers hidden; full-width digits become ordinary ones."""
    return None if text is None else _NUMBERS.sub(_mask_number, text.translate(_HALF_WIDTH))


def _mask_number(match: re.Match[str]) -> str:
    digits = re.sub(r"[^\dXx]", "", match.group())
    return (
        f"{digits[:3]}****{digits[-4:]}" if len(digits) < 15 else f"{digits[:3]}{'*' * (len(digits) - 5)}{digits[-2:]}"
    )
