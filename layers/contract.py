"""What a layer is: five pure functions over the live state, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from layers.state import LiveState

Geometry = Literal["cell", "asset", "point", "area"]


@dataclass(frozen=True)
class Title:
    """A title in both languages."""

    zh: str
    en: str


@dataclass(frozen=True)
class LegendClass:
    """One step of a legend: the colour of values from `lowest` (inclusive) up to the next class."""

    lowest: float
    colour: str
    zh: str
    en: str


@dataclass(frozen=True)
class Spec:
    """What a layer is called, what it shows and when its data is too old to trust.

    `feed` names the feed whose age is the layer's age. `kinds` are the asset kinds an `asset` layer draws.
    `unit` is what the legend says; `windowed` if it counts over the pack's heat window. `marks` names the small
    integers a paint may carry beside its values. `blank` is what a feature without a value means, where that is not
    "no data".
    """

    key: str
    title: Title
    geometry: Geometry
    feed: str
    unit: Title
    stale_after: timedelta
    legend: tuple[LegendClass, ...] = ()
    kinds: tuple[str, ...] = ()
    marks: tuple[str, ...] = ("normal",)
    shown: bool = True
    windowed: bool = False
    blank: Title | None = None


@dataclass(frozen=True)
class View:
    """What is being looked at: the moment, and the features to compute (None: every one)."""

    as_of: datetime
    only: frozenset[int] | None = None


@dataclass(frozen=True)
class Frame:
    """A layer's numbers as plain columns of equal length; `ids` are feature ids."""

    ids: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    newest_at: datetime | None = None

    def find(self, feature_id: int) -> int:
        """Return the position of a feature in the columns; raises KeyError for one that is not here."""
        try:
            return self.ids.index(feature_id)
        except ValueError:
            raise KeyError(feature_id) from None


@dataclass(frozen=True)
class Paint:
    """What the map needs to draw a frame: a value and a mark per id, and positions only for points.

    `gone` lists ids whose feature left (points) or has no value any more (cells, assets).
    """

    ids: Sequence[int]
    values: Sequence[float | None]
    marks: Sequence[int] | None = None
    lon: Sequence[float] | None = None
    lat: Sequence[float] | None = None
    gone: Sequence[int] = ()


@dataclass(frozen=True)
class Headline:
    """One figure of a layer: what it counts, in what unit, over how many features."""

    value: float | None
    unit: Title
    counted: int


@dataclass(frozen=True)
class Fact:
    """One line of a card: a label, a value ready to read, and when it was observed if it can grow old."""

    label: Title
    value: Title
    at: datetime | None = None
    tone: Literal["plain", "good", "warn", "bad"] = "plain"


@dataclass(frozen=True)
class Card:
    """The facts of one feature."""

    title: Title
    place: Title | None = None
    facts: Sequence[Fact] = field(default_factory=tuple)


class Layer(Protocol):
    """The five names every layer module has."""

    spec: Spec

    def compute(self, state: "LiveState", view: View) -> Frame:
        """Return the layer's columns for the features that `view` asks for."""

    def draw(self, frame: Frame) -> Paint:
        """Return what the map needs to paint a frame."""

    def headline(self, frame: Frame) -> Headline:
        """Return the layer's one figure, from a frame of every feature."""

    def explain(self, frame: Frame, feature_id: int) -> Card:
        """Return the card of one feature; raises KeyError for a feature not in the frame."""


def as_layer(module: ModuleType) -> Layer:
    """Return a layer module as what it is; the contract tests hold modules to the protocol."""
    return cast(Layer, module)
