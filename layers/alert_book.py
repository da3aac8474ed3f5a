"""The warnings that count at a moment, folded from every message about them, in whatever order these came."""

from collections.abc import Iterable, Mapping
from functools import cache

from geo.county import County
from geo.outlines import Outlines
from ingest.alert_life import KEPT, end_of, last_end_of, list_standing, name_hazard
from ingest.formats.cap_codes import AGENCIES, read_area_codes, read_identifier
from ingest.records import AlertInfo, AlertIssued, AlertText
from ingest.tables import MILLISECOND, as_ms
from layers.contract import Title
from layers.places import feature_id, index_places
from layers.things import Alert
from layers.words import plain

MOST_MESSAGES = 5000
MOST_SHOWN = 200
KEPT_MS = KEPT // MILLISECOND

Key = tuple[str, str]


class AlertBook:
    """Every message about warnings, and what they come to.

    A warning counts from its coming until its end, unless an update or a cancellation of the same issuer and the same
    status names it. So an exercise can end no warning, and what ends a warning may be here before it.
    `shown` are those that touch the county or do not say where they are, `elsewhere` the others.
    """

    def __init__(self, county: County) -> None:
        self.shown: dict[int, Alert] = {}
        self.elsewhere: dict[int, Alert] = {}
        self._outlines = _find_outlines(county)
        self._area_titles = index_places(county).area_titles
        self._messages: dict[Key, AlertIssued] = {}
        self._made: dict[Key, list[Alert]] = {}
        self._changed = False
        self._next_end_ms: int | None = None

    def put(self, message: AlertIssued) -> None:
        """Take a message in; it counts from the next `advance`."""
        key = (message.source, message.id)
        known = self._messages.get(key)
        if known is None or message.received_at < known.received_at:
            self._messages[key] = message
            self._made.pop(key, None)
            self._changed = True

    def advance(self, now_ms: int) -> set[int]:
        """Move the clock and return the ids of the warnings that came, changed or ended on the screens."""
        if not self._changed and (self._next_end_ms is None or now_ms < self._next_end_ms):
            return set()
        self._changed = False
        self._forget(now_ms)
        counting = [alert for alert in self._list_standing() if now_ms < alert.ends_ms]
        self._next_end_ms = min((alert.ends_ms for alert in counting), default=None)
        counting.sort(key=lambda alert: alert.rank)
        before = self.shown
        self.shown = _index(alert for alert in counting if alert.touches is not False)
        self.elsewhere = _index(alert for alert in counting if alert.touches is False)
        return {id for id in before.keys() | self.shown.keys() if before.get(id) != self.shown.get(id)}

    def _list_standing(self) -> Iterable[Alert]:
        """Yield the warnings that no later message has taken back."""
        for message in list_standing(self._messages.values()):
            key = (message.source, message.id)
            if key not in self._made:
                self._made[key] = [self._make(message, place) for place in range(len(message.infos))]
            yield from self._made[key]

    def _forget(self, now_ms: int) -> None:
        """Let go of what can matter no more: over, and sent before all that a late message could still speak of."""
        standing = (as_ms(message.sent) for message in self._messages.values() if as_ms(last_end_of(message)) > now_ms)
        oldest_ms = min(now_ms - KEPT_MS, min(standing, default=now_ms))
        old = [key for key, message in self._messages.items() if as_ms(message.sent) < oldest_ms]
        if len(self._messages) - len(old) > MOST_MESSAGES:
            by_age = sorted(self._messages, key=lambda key: (self._messages[key].sent, key))
            old = by_age[: len(self._messages) - MOST_MESSAGES]
        for key in old:
            del self._messages[key]
            self._made.pop(key, None)

    def _make(self, message: AlertIssued, place: int) -> Alert:
        info = message.infos[place]
        reach = self._outlines.cover(
            (area.polygons, area.circles, read_area_codes(area.geocodes)) for area in info.areas
        )
        zh, en = _choose_texts(info)
        return Alert(
            id=feature_id("alert:" + name_hazard(message, place)),
            level=info.level,
            exercise=message.status == "Exercise",
            event=Title(zh.event, en.event),
            headline=Title(zh.headline, en.headline),
            description=Title(zh.description, en.description),
            instruction=Title(zh.instruction, en.instruction),
            area=Title(zh.area, en.area),
            issuer=self._name_issuer(message, zh, en),
            contact=zh.contact,
            web=zh.web,
            severity=info.severity,
            urgency=info.urgency,
            certainty=info.certainty,
            source=message.source,
            identifier=message.identifier,
            sent_ms=as_ms(message.sent),
            begins_ms=as_ms(info.onset or info.effective or message.sent),
            ends_ms=as_ms(end_of(message, info)),
            end_stated=info.expires is not None,
            touches=reach.touches,
            polygons=reach.polygons,
        )

    def _name_issuer(self, message: AlertIssued, zh: AlertText, en: AlertText) -> Title:
        """Return who issued a message: by name where it says so, else by its identifier, else as it calls itself."""
        if zh.issuer:
            return Title(zh.issuer, en.issuer or zh.issuer)
        return name_by_identifier(message.identifier, self._area_titles) or plain(message.source)


def name_by_identifier(identifier: str, area_titles: Mapping[str, Title]) -> Title | None:
    """Return the place and the agency that a Chinese identifier names, codes standing for what is not known."""
    parts = read_identifier(identifier)
    if parts is None:
        return None
    area = area_titles.get(parts.area_code) or plain(parts.area_code)
    agency = AGENCIES.get(parts.agency)
    if agency is None:
        return Title(f"{area.zh} {parts.agency}", f"{area.en} {parts.agency}")
    return Title(f"{area.zh} {agency.zh}", f"{area.en}: {agency.en}")


def _choose_texts(info: AlertInfo) -> tuple[AlertText, AlertText]:
    """Return the texts for Chinese and for English readers; where one is missing, the other stands for it."""
    zh = next((text for text in info.texts if text.language.lower().startswith("zh")), info.texts[0])
    return zh, next((text for text in info.texts if text.language.lower().startswith("en")), zh)


def _index(alerts: Iterable[Alert]) -> dict[int, Alert]:
    return {alert.id: alert for _, alert in zip(range(MOST_SHOWN), alerts, strict=False)}


@cache
def _find_outlines(county: County) -> Outlines:
    return Outlines(county)
