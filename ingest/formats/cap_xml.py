"""XML from strangers, read cheaply or not at all.

There is no DTD, so there are no entities to expand and none to fetch; depth, number of elements and mass of text are
bounded, and whatever goes beyond ends the reading at once. Only elements of the root's own namespace are kept.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

LARGEST_BODY_BYTES: Final = 2 * 1024 * 1024
DEEPEST: Final = 16
MOST_ELEMENTS: Final = 20_000
MOST_TEXT: Final = 256 * 1024

# expat knows no Chinese encoding; GB 18030 contains GB 2312 and GBK.
_chinese = re.compile(rb"""^\s*<\?xml[^>]{0,80}?encoding\s*=\s*["']gb[\w-]{1,8}["']""", re.IGNORECASE)


class UnreadableXml(ValueError):  # noqa: N818 - it says what is the case
    """A body that is no XML, or XML that nobody sends with good intent; the message says why."""


@dataclass(slots=True)
class Element:
    """One element: its text without the space around it, and its children in order."""

    name: str
    namespace: str
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, name: str) -> list["Element"]:
        """Return the children of a name."""
        return [child for child in self.children if child.name == name]

    def say(self, name: str) -> str:
        """Return the text of the first child of a name; empty where there is none."""
        return next((child.text for child in self.children if child.name == name), "")


def read_xml(body: bytes, skipped: frozenset[str] = frozenset()) -> Element:
    """Return the root of an XML document; raises `UnreadableXml`.

    skipped: names of elements whose text is neither kept nor counted.
    """
    if len(body) > LARGEST_BODY_BYTES:
        raise UnreadableXml(f"more than {LARGEST_BODY_BYTES} bytes")
    encoding = None
    if _chinese.match(body):
        encoding = "utf-8"
        try:
            body = body.decode("gb18030").encode()
        except UnicodeDecodeError as error:
            raise UnreadableXml(f"not in the encoding that it names: byte {error.start}") from None
    builder = _Builder(skipped)
    parser = expat.ParserCreate(encoding, " ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.take_text
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise UnreadableXml(str(error)) from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not know either, or that has many bytes
        if isinstance(error, UnreadableXml):
            raise
        raise UnreadableXml(f"encoding: {error}") from None
    return builder.root


class _Builder:
    """Makes the tree while expat reads; raises `UnreadableXml` out of it at the first excess."""

    def __init__(self, skipped: frozenset[str]) -> None:
        self.root = Element("", "")
        self._skipped = skipped
        self._open: list[Element] = []
        self._texts: list[str] = []
        self._depth = self._elements = self._mass = 0

    def refuse_doctype(self, *_: object) -> None:
        raise UnreadableXml("a document type declaration, which is not taken: it could define entities")

    def start(self, tag: str, _attributes: object) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > DEEPEST:
            raise UnreadableXml(f"nested deeper than {DEEPEST} levels")
        if self._elements > MOST_ELEMENTS:
            raise UnreadableXml(f"more than {MOST_ELEMENTS} elements")
        namespace, _, name = tag.rpartition(" ")
        element = Element(name, namespace)
        if not self._open:
            self.root = element
        elif len(self._open) < self._depth - 1 or namespace != self.root.namespace:
            return  # a stranger (a signature), or inside one
        else:
            self._open[-1].children.append(element)
        self._open.append(element)
        self._texts.clear()

    def end(self, _tag: str) -> None:
        if len(self._open) == self._depth:
            element = self._open.pop()
            if not element.children:
                element.text = "".join(self._texts).strip()
            self._texts.clear()
        self._depth -= 1

    def take_text(self, text: str) -> None:
        if len(self._open) < self._depth or self._open[-1].name in self._skipped:
            return
        self._mass += len(text)
        if self._mass > MOST_TEXT:
            raise UnreadableXml(f"more than {MOST_TEXT} characters of text")
        self._texts.append(text)
