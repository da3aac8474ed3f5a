"""Hiding persons: names, telephone, identity and bank card numbers and e-mail, before anything is shown."""

import re
from typing import overload

_HALF_WIDTH = str.maketrans("０１２３４５６７８９Ｘｘ＠", "0123456789Xx@")
# Longest first: an identity number contains what looks like telephone numbers, and an address may begin with one.
_PERSONAL = re.compile(
    r"(?P<local>[A-Za-z0-9._%+-]{1,64})@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"
    r"|(?<!\d)(?:"
    r"\d{17}[\dXx]"  # identity number of 18 places
    r"|\d{6}[- ]\d{8}[- ]\d{3}[\dXx]"  # as people write it
    r"|(?P<card>[3-6]\d{3}(?:[- ]?\d{4}){3}(?:[- ]?\d{1,3})?)"  # bank card, 16 to 19 places
    r"|\d{15}(?!-\d{8}-)"  # identity number of 15, as issued before 1999; not the beginning of a case's id
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


def mask_email(email: str | None) -> str | None:
    """Return an address as its first character and its domain: z***@qq.com; all of what is none is hidden."""
    if not email or not email.strip():
        return None
    local, at, domain = email.strip().rpartition("@")
    return f"{local[0]}***@{domain}" if local and at else "***"


@overload
def mask_text(text: str) -> str: ...
@overload
def mask_text(text: None) -> None: ...
@overload
def mask_text(text: str | None) -> str | None: ...
def mask_text(text: str | None) -> str | None:
    """Return a text with telephone, identity and card numbers and e-mail hidden; full-width digits become ordinary."""
    return None if text is None else _PERSONAL.sub(_mask_match, text.translate(_HALF_WIDTH))


def _mask_match(match: re.Match[str]) -> str:
    if match["local"]:
        return match.group()[0] + "***" + match.group()[match.end("local") - match.start() :]
    if match["card"] and not _is_card(match["card"]):  # a manhole cover's number, perhaps
        return match.group()
    digits = re.sub(r"[^\dXx]", "", match.group())
    return (
        f"{digits[:3]}****{digits[-4:]}" if len(digits) < 15 else f"{digits[:3]}{'*' * (len(digits) - 5)}{digits[-2:]}"
    )


def _is_card(text: str) -> bool:
    """Return whether a number's last digit is right by the Luhn formula (ISO/IEC 7812-1), as every bank card's is."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
