"""The number of a report, and the code that goes with it: both are read out over telephones and typed with thumbs.

A number is `R`, the day as YYMMDD, seven characters and a check character: `R261122-7K3Q-P8MX`. It is made of the
report's own id, so a report that is sent twice has one number. Which characters and why: `docs/field.md`.
"""

import hashlib
import hmac
import re
from datetime import date
from typing import Final

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""What cannot be mistaken for something else; 31 is a prime, which the check character needs."""
DRAWN: Final = 7
CODE_LENGTH: Final = 6

_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)} | {"0": 29, "1": 30}
"""Values of the check sum; the day's 0 and 1 are no characters of the alphabet and take those of Y and Z."""
_NUMBER: Final = re.compile(rf"R(\d{{6}})([{ALPHABET}]{{{DRAWN + 1}}})")
_SEPARATORS: Final = re.compile(r"[\s\-–—_.·]+")
_LOOK_ALIKES: Final = str.maketrans("OIL", "011")


class NumberError(ValueError):
    """What was typed is no number of a report; the message says why."""


def make_number(report_id: str, day: date, attempt: int = 0) -> str:
    """Return the number of a report, without separators; another `attempt` is another number.

    31 to the power of 7 numbers a day: with 1,000 reports a day, two meet on one day in 55,000.
    """
    digest = hashlib.blake2b(f"{attempt}:{report_id}".encode(), digest_size=16).digest()
    rest = int.from_bytes(digest, "big")
    drawn = ""
    for _ in range(DRAWN):
        rest, value = divmod(rest, len(ALPHABET))
        drawn += ALPHABET[value]
    body = f"{day:%y%m%d}{drawn}"
    return f"R{body}{_check_character(body)}"


def show_number(number: str) -> str:
    """Return a number in groups, as people read it; anything else comes back as it is."""
    match = _NUMBER.fullmatch(number)
    return f"R{match[1]}-{match[2][:4]}-{match[2][4:]}" if match else number


def read_number(text: str) -> str:
    """Return what a person typed as a number; letters of any case, and separators or none. Raises `NumberError`."""
    compact = _SEPARATORS.sub("", text).upper()
    number = compact[:7].translate(_LOOK_ALIKES) + compact[7:]
    match = _NUMBER.fullmatch(number)
    if match is None:
        raise NumberError("a number is R, six digits and eight characters")
    if _check_character(number[1:-1]) != number[-1]:
        raise NumberError("a character is wrong or two are swapped")
    return number


def make_code(key: bytes, number: str) -> str:
    """Return the code without which nobody is told anything of a report; who has the key can make it again."""
    rest = int.from_bytes(hmac.digest(key, number.encode(), "sha256"), "big")
    code = ""
    for _ in range(CODE_LENGTH):
        rest, value = divmod(rest, len(ALPHABET))
        code += ALPHABET[value]
    return code


def check_code(key: bytes, number: str, text: str) -> bool:
    """Return whether a person typed the code of a number; compared in constant time."""
    typed = _SEPARATORS.sub("", text).upper()
    return hmac.compare_digest(make_code(key, number).encode(), typed.encode())


def _check_character(body: str) -> str:
    # Weights 2, 3, … differ and are no multiples of 31: every wrong character and every swap of two changes the sum.
    total = sum(weight * _VALUES[character] for weight, character in enumerate(body, 2))
    return ALPHABET[-total % len(ALPHABET)]
