"""The hand-over (交接班): what a shift leaves to the next, signed by both; with the duty roster and earlier hand-overs.

Light and printable. Dash lays everything out from SQL; the page's TypeScript keeps notes, signs and plans.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
from dash import html
from dash.development.base_component import Component
from sqlalchemy.exc import SQLAlchemyError

from cases.rulebook import Rulebook
from cases.shifts import Turn
from dashboard.pages.briefing import name_class
from dashboard.panels.frame import SHAPES, lay_drill, lay_navigation, lay_root, mark, name_place, slot
from dashboard.people.permissions import may
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.places import name_cell
from dashboard.shift_sheet import CARD_MARKS, MARKS
from dashboard.shifts import FIRST_DAY, LAST_DAY, Draft, Shifts, describe_hand_over
from dashboard.text import text
from geo.county import County
from ingest.rows.shifts import HandOver

VIEWS: Final = ("sheet", "roster", "earlier")
WEEK_DAYS: Final = 7
CASE_COLUMNS: Final = ("severity", "class", "place", "state", "due", "note")
EARLIER_COLUMNS: Final = ("shift", "as_of", "from", "to", "open", "overdue", "reported", "closed", "whole")
NOW_FIGURES: Final = ("open", "overdue", "near", "cards", "pending", "suspended")
CHANGE_FIGURES: Final = ("reported", "closed", "merged", "voided", "escalated", "reopened")


def lay_out(shifts: Shifts, lang: str, query: Mapping[str, str]) -> Component:
    """Return the page that an address asks for; reads SQL, so call it in a thread.

    `view` is one of `VIEWS`; `date` and `shift` name a hand-over, or the shift to be handed over.
    """
    viewer, now = get_viewer(), datetime.now(UTC)
    view = query["view"] if query.get("view") in VIEWS else "sheet"
    try:
        match view:
            case "roster":
                body = _lay_roster(shifts, viewer, lang, now, _read_day(query.get("from")))
            case "earlier":
                body = _lay_earlier(shifts, viewer, lang, now)
            case _:
                body = _lay_desk(shifts, viewer, lang, now, _read_turn(shifts, query))
    except SQLAlchemyError:
        body = [html.P(text(lang, "handover.away"), className="wrong", role="alert")]
    return lay_root(
        "handover",
        lang,
        [_lay_head(shifts.county, lang, view), html.Main(body)],
        view=view,
        zone=str(shifts.county.time_zone),
        viewer=viewer.name,
    )


def _read_day(said: str | None) -> date | None:
    try:
        day = date.fromisoformat(said or "")
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None


def _read_turn(shifts: Shifts, query: Mapping[str, str]) -> Turn | None:
    day, shift = _read_day(query.get("date")), shifts.table.find(query.get("shift", ""))
    return None if day is None or shift is None else shifts.table.make_turn(day, shift)


def _lay_head(county: County, lang: str, view: str) -> Component:
    badges = [html.Span(text(lang, "common.fictional"), className="badge")] if county.fictional else []
    tabs = [
        html.A(
            text(lang, f"handover.view_{one}"),
            href=f"/handover?view={one}&lang={lang}",
            **(mark(aria_current="page") if one == view else {}),
        )
        for one in VIEWS
    ]
    return html.Header(
        [
            html.Div([html.H1(name_place(county, lang)), html.Span(text(lang, "handover.heading"))], className="name"),
            html.Div(badges, className="badges"),
            html.Div(tabs, className="tabs", role="navigation", **mark(aria_label=text(lang, "handover.views"))),
            slot("tools", "Div", "tools"),
            lay_navigation("handover", lang),
        ],
        className="head",
    )


# -- the sheet ---------------------------------------------------------------------------------------------------


def _lay_desk(shifts: Shifts, viewer: Viewer, lang: str, now: datetime, asked: Turn | None) -> list[Component]:
    """Return the hand-over of the shift asked for, or what the viewer would sign over now."""
    turn = asked or shifts.choose_turn(viewer, now)
    found = shifts.find(viewer.area, turn)
    if found is not None:
        return _lay_signed(shifts, viewer, lang, found, turn)
    waiting = [_lay_waiting(shifts, one, lang) for one in shifts.find_waiting(viewer.area, now)]
    if not may(viewer, "hand_over") or turn.begins > now:
        return [*waiting, html.P(text(lang, "handover.nothing_to_sign"), className="none")]
    draft = shifts.draft(viewer, turn)
    sheet = msgspec.to_builtins(draft.sheet)
    return [
        *waiting,
        _lay_title(shifts, lang, turn, (draft.sheet.since, draft.sheet.as_of), _list_choices(shifts, turn, lang, now)),
        *_lay_sheet(shifts, lang, sheet, None),
        _lay_own_notes(lang),
        _lay_giving(shifts, viewer, lang, draft),
    ]


def _lay_signed(shifts: Shifts, viewer: Viewer, lang: str, found: HandOver, turn: Turn) -> list[Component]:
    told = describe_hand_over(found)
    notes = html.Section(
        [
            html.H2(text(lang, "handover.notes")),
            html.P(told["notes"] or text(lang, "handover.no_notes"), className="notes"),
        ],
        className="general",
    )
    taking = []
    if found.taken is None and found.unchanged and found.given.person != viewer.name and may(viewer, "hand_over"):
        taking = [_lay_taking(shifts, viewer, lang, found)]
    return [
        _lay_title(shifts, lang, turn, (found.given.since, found.given.as_of), None),
        _lay_signatures(shifts, lang, told),
        *taking,
        notes,
        *_lay_sheet(shifts, lang, told, told["case_notes"]),
        html.P(text(lang, "handover.digest", digest=found.given.digest), className="digest"),
    ]


def _lay_waiting(shifts: Shifts, found: HandOver, lang: str) -> Component:
    given = found.given
    said = text(
        lang,
        "handover.waiting",
        shift=_name_shift(shifts, given.shift, lang),
        day=given.date,
        who=given.title,
        at=_say(shifts.county, given.at),
    )
    link = html.A(text(lang, "handover.look"), href=_address(given.date, given.shift, lang), className="button")
    return html.P([said, " ", link], className="waiting", role="status")


def _address(day: str, shift: str, lang: str) -> str:
    return f"/handover?date={day}&shift={shift}&lang={lang}"


def _list_choices(shifts: Shifts, turn: Turn, lang: str, now: datetime) -> Component | None:
    """Return the links to the other shift that could be signed over: the one running and the one before."""
    running = shifts.table.find_turn(now)
    other = [one for one in (shifts.table.find_before(running), running) if one != turn]
    links = [
        html.A(_name_turn(one, lang), href=_address(one.date.isoformat(), one.shift.key, lang), className="button")
        for one in other
    ]
    return html.Span([text(lang, "handover.instead"), " ", *links], className="instead")


def _lay_title(
    shifts: Shifts, lang: str, turn: Turn, span: tuple[datetime, datetime], choices: Component | None
) -> Component:
    since, as_of = (_say(shifts.county, moment) for moment in span)
    return html.Section(
        [
            html.H2(_name_turn(turn, lang)),
            html.P(
                [
                    text(lang, "handover.span", since=since),
                    html.B(text(lang, "handover.as_of", at=as_of), className="as-of"),
                ]
            ),
            *([choices] if choices is not None else []),
        ],
        className="title",
    )


def _lay_sheet(shifts: Shifts, lang: str, sheet: Mapping[str, Any], notes: Mapping[str, str] | None) -> list[Component]:
    """Return what was or is to be handed over; `notes` are those of cases, None where they can be written."""
    figures: Mapping[str, int] = sheet["figures"]
    return [
        html.Section(
            [
                html.H2(text(lang, "handover.now")),
                html.Div([_lay_figure(key, figures, lang) for key in NOW_FIGURES], className="figures"),
                html.H2(text(lang, "handover.changed")),
                html.Div([_lay_figure(key, figures, lang) for key in CHANGE_FIGURES], className="figures"),
            ],
            className="sums",
        ),
        *_lay_groups(shifts, lang, sheet, notes),
        html.Section(
            [
                html.Div(
                    [html.H2(text(lang, "alert.in_force")), *_lay_warnings(shifts.county, sheet["warnings"], lang)]
                ),
                html.Div([html.H2(text(lang, "handover.feeds")), *_lay_feeds(shifts.county, sheet["feeds"], lang)]),
            ],
            className="beside",
        ),
    ]


def _lay_figure(key: str, figures: Mapping[str, int], lang: str) -> Component:
    value = sum(figures.get(card, 0) for card in CARD_MARKS) if key == "cards" else figures.get(key, 0)
    return html.Article(
        [
            html.H3(text(lang, f"handover.figure_{key}")),
            html.P(f"{value:,}", className="value"),
            html.P(_say_parts(key, figures, lang), className="parts"),
        ],
        className="figure",
        title=text(lang, f"handover.means_{key}"),
        **mark(data_figure=key, data_zero=str(value == 0).lower()),
    )


def _say_parts(key: str, figures: Mapping[str, int], lang: str) -> list[Component | str]:
    """Return what a figure is made of, where that is worth a line."""
    match key:
        case "open":
            return [
                html.Span(
                    [html.I(SHAPES[severity]), f"{figures.get(f'open_{severity}', 0):,}"],
                    className="severity",
                    title=text(lang, f"severity.{severity}"),
                    **mark(data_severity=severity),
                )
                for severity in (1, 2, 3, 4)
            ]
        case "cards":
            parts = [(card, figures.get(card, 0)) for card in CARD_MARKS]
            return [" · ".join(text(lang, f"handover.part_{card}", n=n) for card, n in parts if n)]
        case "reported":
            return [text(lang, "handover.part_severe", n=figures.get("reported_severe", 0))]
        case _:
            return []


def _lay_groups(
    shifts: Shifts, lang: str, sheet: Mapping[str, Any], notes: Mapping[str, str] | None
) -> Iterable[Component]:
    """Yield the place of the cases, by why they are listed; TypeScript makes the tables: Dash is slow at many rows."""
    rows: Sequence[Mapping[str, Any]] = sheet["cases"]
    if not rows:
        yield html.P(text(lang, "handover.no_cases"), className="none")
        return
    groups = []
    for name in MARKS:
        group = [_tell_row(shifts, lang, row, notes) for row in rows if row["marks"][0] == name]
        if group:
            total = max(_count_marked(name, sheet["figures"]), len(group))
            groups.append({"key": name, "name": text(lang, f"handover.group_{name}"), "total": total, "rows": group})
    heads = [[name, text(lang, f"handover.column_{name}")] for name in CASE_COLUMNS]
    yield slot("groups", **mark(data_heads=_encode(heads), data_groups=_encode(groups)))
    yield html.P(text(lang, "handover.listed", n=len(rows), ids=len(sheet["open_case_ids"])), className="listed")


def _count_marked(name: str, figures: Mapping[str, int]) -> int:
    """Return how many cases there are of which a group lists the most urgent; 0 where no figure says."""
    return figures["open_1"] + figures["open_2"] if name == "severe" else figures.get(name, 0)


def _tell_row(shifts: Shifts, lang: str, row: Mapping[str, Any], notes: Mapping[str, str] | None) -> dict[str, Any]:
    """Return one case in words; `note` is None where one can be written."""
    county, case_id, due_at = shifts.county, row["case_id"], row.get("due_at")
    colour = row.get("colour") or "none"
    return {
        "id": case_id,
        "severity": row["severity"],
        "shape": SHAPES.get(row["severity"], "■"),
        "severity_name": text(lang, f"severity.{row['severity']}"),
        "class": name_class(county, row["category"], lang),
        "title": row["title"],
        "place": name_cell(county, row.get("cell"), lang),
        "state": _name_state(shifts.rulebook, row, lang),
        "more": _say_more(county, row, lang),
        "colour": colour,
        "clock": text(lang, f"handover.clock_{colour}"),
        "due": "" if due_at is None else _say(county, datetime.fromtimestamp(due_at, UTC)),
        "note": None if notes is None else notes.get(case_id, ""),
    }


def _encode(words: Any) -> str:
    return msgspec.json.encode(words).decode()


def _say_more(county: County, row: Mapping[str, Any], lang: str) -> str:
    """Return who has a case, and why else it is on the list."""
    unit = county.units.get(row.get("unit", ""))
    said = [(unit.en if lang == "en" else unit.zh) if unit else row.get("unit", "")]
    said += [text(lang, f"handover.mark_{name}") for name in row["marks"][1:]]
    if row.get("until"):
        said.append(text(lang, "handover.until", at=row["until"]))
    return " · ".join(part for part in said if part)


def _name_state(rulebook: Rulebook, row: Mapping[str, Any], lang: str) -> str:
    state = rulebook.flow_of(row["category"]).states.get(row["state"])
    return row["state"] if state is None else str(getattr(state.name, lang))


def _lay_warnings(county: County, warnings: Sequence[Mapping[str, Any]], lang: str) -> list[Component]:
    if not warnings:
        return [html.P(text(lang, "handover.no_warnings"), className="none")]
    lines: list[Component] = []
    for one in warnings:
        ends_at = one["ends_at"]
        until = (
            text(lang, "alert.open_end")
            if ends_at is None
            else text(lang, "alert.until", at=_say(county, datetime.fromtimestamp(ends_at, UTC)))
        )
        level = html.Span(
            [html.I(SHAPES.get(one["level"], "■")), text(lang, f"alert_level.{one['level']}")],
            className="severity",
            **mark(data_severity=one["level"]),
        )
        lines.append(
            html.Li(
                [
                    *lay_drill(one["exercise"], lang),
                    level,
                    f" {one[lang]} ",
                    html.Small(f"{one[f'area_{lang}']} {until}"),
                ]
            )
        )
    return [html.Ul(lines)]


def _lay_feeds(county: County, feeds: Sequence[Mapping[str, Any]], lang: str) -> list[Component]:
    if not feeds:
        return [html.P(text(lang, "handover.all_feeds"), className="none")]
    lines = []
    for one in feeds:
        at = one["heard_at"]
        heard = "" if at is None else text(lang, "handover.heard", at=_say(county, datetime.fromtimestamp(at, UTC)))
        state = html.B(text(lang, f"feed_state.{one['state']}"), **mark(data_state=one["state"]))
        lines.append(html.Li([f"{one[lang]} ", state, " ", html.Small(heard)]))
    return [html.Ul(lines)]


# -- signing -----------------------------------------------------------------------------------------------------


def _lay_own_notes(lang: str) -> Component:
    area = html.Div(className="writing", **mark(data_note="", data_label=text(lang, "handover.notes_hint")))
    return html.Section([html.H2(text(lang, "handover.notes")), area], className="general")


def _lay_giving(shifts: Shifts, viewer: Viewer, lang: str, draft: Draft) -> Component:
    sheet = draft.sheet
    return _lay_panel(
        shifts,
        lang,
        text(lang, "handover.sign_give", who=viewer.title),
        text(lang, "handover.give"),
        sign="give",
        date=draft.turn.date.isoformat(),
        shift=draft.turn.shift.key,
        seen=draft.digest,
        as_of=sheet.as_of.isoformat(),
    )


def _lay_taking(shifts: Shifts, viewer: Viewer, lang: str, found: HandOver) -> Component:
    given = found.given
    return _lay_panel(
        shifts,
        lang,
        text(lang, "handover.sign_take", who=viewer.title),
        text(lang, "handover.take"),
        sign="take",
        date=given.date,
        shift=given.shift,
        seen=given.digest,
    )


def _lay_panel(shifts: Shifts, lang: str, sentence: str, action: str, **data: str) -> Component:
    """Return where somebody signs: their password, or without log-in a box to tick."""
    how = slot("password" if shifts.needs_password else "confirm", "Span", "how")
    return html.Form(
        [
            html.P(sentence),
            how,
            html.Button(action, type="submit", className="sign"),
            html.P("", className="outcome", hidden=True, role="alert"),
        ],
        className="panel",
        **mark(**{f"data_{name}": value for name, value in data.items()}),
    )


def _lay_signatures(shifts: Shifts, lang: str, told: Mapping[str, Any]) -> Component:
    whole = "unchanged" if told["unchanged"] else "altered"
    return html.Section(
        [
            _lay_signature(shifts, lang, "from", told["from"]),
            _lay_signature(shifts, lang, "to", told["to"]),
            html.P(text(lang, f"handover.{whole}"), className="whole", **mark(data_whole=whole)),
        ],
        className="signatures",
    )


def _lay_signature(shifts: Shifts, lang: str, side: str, signature: Mapping[str, Any] | None) -> Component:
    head = html.H3(text(lang, f"handover.{side}"))
    if signature is None:
        return html.Div([head, html.P(text(lang, "handover.unsigned"), className="none")], **mark(data_side=side))
    at = _say(shifts.county, datetime.fromtimestamp(signature["signed_at"], UTC), seconds=True)
    remark = signature.get("remark")
    return html.Div(
        [
            head,
            html.P([html.B(signature["title"]), f" {signature['person']}"]),
            html.P(text(lang, "handover.signed_at", at=at)),
            *([html.P(remark, className="remark")] if remark else []),
        ],
        **mark(data_side=side),
    )


# -- the roster --------------------------------------------------------------------------------------------------


def _lay_roster(shifts: Shifts, viewer: Viewer, lang: str, now: datetime, asked: date | None) -> list[Component]:
    today = now.astimezone(shifts.county.time_zone).date()
    day = asked or today
    first = day - timedelta(days=day.weekday())
    told = shifts.roster.describe(viewer.area, now, first, WEEK_DAYS)
    plans = may(viewer, "roster")
    week = timedelta(days=WEEK_DAYS)
    moves = [
        html.A(
            text(lang, f"handover.week_{name}"),
            href=f"/handover?view=roster&from={to}&lang={lang}",
            className="button",
        )
        for name, to in (("before", first - week), ("now", today), ("after", first + week))
    ]
    children: list[Component] = [
        html.Section(
            [_lay_present("on_duty", told["now"], lang), _lay_present("on_duty_next", told["next"], lang)],
            className="present",
        ),
        html.Section([html.H2(text(lang, "handover.week", day=first.isoformat())), *moves], className="title"),
        _lay_week(shifts, lang, told["turns"], (first, today), plans),
    ]
    if plans:
        children.append(_lay_planning(shifts, viewer, lang, today))
    return children


def _lay_present(key: str, turn: Mapping[str, Any], lang: str) -> Component:
    people = [_lay_person(one, lang, turn, False) for one in turn["people"]]
    return html.Div(
        [
            html.H3([text(lang, f"handover.{key}"), " ", html.Span(turn["name"][lang])]),
            *(people or [html.P(text(lang, "handover.nobody"), className="none")]),
        ],
        **mark(data_present=key),
    )


def _lay_week(
    shifts: Shifts, lang: str, turns: Sequence[Mapping[str, Any]], span: tuple[date, date], plans: bool
) -> Component:
    first, today = span
    head = [
        html.Th([getattr(shift.name, lang), html.Small(f"{shift.begins:%H:%M}–{shift.ends:%H:%M}")], scope="col")
        for shift in shifts.table.shifts
    ]
    by_slot = {(turn["date"], turn["shift"]): turn for turn in turns}
    rows = []
    for place in range(WEEK_DAYS):
        day = first + timedelta(days=place)
        cells = []
        for shift in shifts.table.shifts:
            turn = by_slot[day.isoformat(), shift.key]
            people = [_lay_person(one, lang, turn, plans) for one in turn["people"]]
            cells.append(html.Td(people or [html.Span("–", className="none")]))
        name = text(lang, f"handover.day_{day.isoweekday()}")
        here = mark(aria_current="date") if day == today else {}
        rows.append(html.Tr([html.Th([name, html.Small(f"{day:%m-%d}")], scope="row"), *cells], **here))
    return html.Table(
        [html.Thead(html.Tr([html.Th(text(lang, "handover.column_day"), scope="col"), *head])), html.Tbody(rows)],
        className="week",
    )


def _lay_person(one: Mapping[str, Any], lang: str, turn: Mapping[str, Any], plans: bool) -> Component:
    who = {"data_date": turn["date"], "data_shift": turn["shift"], "data_person": one["person"]}
    parts: list[Component] = [html.B(one["title"])]
    if one["phone"]:
        show = text(lang, "handover.show_phone", who=one["title"])
        parts.append(html.Button(one["phone"], type="button", className="phone", title=show, **mark(**who)))
    if plans:
        remove = text(lang, "handover.withdraw", who=one["title"])
        parts.append(
            html.Button("×", type="button", className="withdraw", title=remove, **mark(**who, aria_label=remove))
        )
    return html.P(parts, className="person")


def _lay_planning(shifts: Shifts, viewer: Viewer, lang: str, today: date) -> Component:
    """Return what planning needs: whom there is to plan, and a place for the form and the file."""
    people = sorted(shifts.roster.people(viewer.area).values(), key=lambda one: one.title)
    names = {"people": [[one.name, one.title] for one in people]}
    names["shifts"] = [[shift.key, getattr(shift.name, lang)] for shift in shifts.table.shifts]
    return html.Section(
        [
            html.H2(text(lang, "handover.plan")),
            slot("plan", "Div", "plan", **mark(data_choices=_encode(names), data_today=today)),
            html.P(text(lang, "handover.csv_explained"), className="explained"),
            html.P("", className="outcome", hidden=True, role="alert"),
        ],
        className="planning",
    )


# -- earlier ones ------------------------------------------------------------------------------------------------


def _lay_earlier(shifts: Shifts, viewer: Viewer, lang: str, now: datetime) -> list[Component]:
    found = shifts.list_recent(viewer.area, now)
    if not found:
        return [html.P(text(lang, "handover.none_earlier"), className="none")]
    heads = [[name, text(lang, f"handover.column_{name}")] for name in EARLIER_COLUMNS]
    rows = [_tell_earlier(shifts, one, lang) for one in found]
    return [slot("earlier", **mark(data_heads=_encode(heads), data_rows=_encode(rows)))]


def _tell_earlier(shifts: Shifts, found: HandOver, lang: str) -> dict[str, Any]:
    given, taken = found.given, found.taken
    whole = "unchanged" if found.unchanged else "altered"
    return {
        "href": _address(given.date, given.shift, lang),
        "whole": whole,
        "words": [
            f"{given.date} {_name_shift(shifts, given.shift, lang)}",
            _say(shifts.county, given.as_of),
            given.title,
            text(lang, "handover.unsigned") if taken is None else taken.title,
            *[f"{given.figures.get(key, 0):,}" for key in ("open", "overdue", "reported", "closed")],
            text(lang, f"handover.{whole}_short"),
        ],
    }


# -- words -------------------------------------------------------------------------------------------------------


def _name_shift(shifts: Shifts, key: str, lang: str) -> str:
    shift = shifts.table.find(key)
    return key if shift is None else str(getattr(shift.name, lang))


def _name_turn(turn: Turn, lang: str) -> str:
    """Return a shift of a day in words: 11-22 早班 08:00–16:00."""
    shift = turn.shift
    return f"{turn.date:%m-%d} {getattr(shift.name, lang)} {shift.begins:%H:%M}–{shift.ends:%H:%M}"


def _say(county: County, moment: datetime, seconds: bool = False) -> str:
    local = moment.astimezone(county.time_zone)
    return f"{local:%m-%d %H:%M:%S}" if seconds else f"{local:%m-%d %H:%M}"
