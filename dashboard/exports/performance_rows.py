"""The tables of performance as rows: indicators, every ranking whole, and chains of responsibility. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from cases.indicators import Indicator
from cases.scores import Score
from dashboard.briefing import name_unit
from dashboard.case_standing import name_unit as name_office
from dashboard.exports.csv_text import Row
from dashboard.pages.briefing import name_town
from dashboard.pages.performance import LINKS, ROLES
from dashboard.performance import Performance
from dashboard.text import text
from geo.county import County

HEAD_ROWS: Final = 2  # of each table: its title, and the names of its columns
SUMS: Final = ("numerator", "denominator")


def list_tables(found: Performance, county: County, lang: str) -> list[list[Row]]:
    """Return the tables in the page's order, each with its title and the names of its columns in front."""

    def name_area(code: str) -> str:
        return name_town(county, code, lang)

    def name_own_unit(code: str) -> str:
        return str(name_office(county, code, lang))

    return [
        _lay_indicators(found.indicators, lang),
        _lay_scores("towns", found.towns, name_area, lang),
        _lay_scores("units", found.units, name_own_unit, lang),
        *(_lay_scores(role, found.roles[role], str, lang) for role in ROLES),
        _lay_chains(found, name_area, lang),
    ]


def _lay_indicators(indicators: Sequence[Indicator], lang: str) -> list[Row]:
    columns = [text(lang, f"export.col_{column}") for column in ("indicator", "value", "unit_of", *SUMS)]
    rows = [
        [
            text(lang, f"performance.rule_{one.rule}"),
            one.value,
            text(lang, f"briefing.{name_unit(one)}"),
            one.numerator,
            one.denominator,
        ]
        for one in indicators
    ]
    return [[text(lang, "performance.indicators")], columns, *rows]


def _lay_scores(section: str, scores: Sequence[Score], name: Callable[[str], str], lang: str) -> list[Row]:
    columns = [text(lang, f"performance.column_{column}") for column in ("rank", "who", "score")]
    for part in scores[0].parts if scores else ():
        title = text(lang, f"performance.part_{part.key}")
        columns += [f"{title} {part.weight:.0f} %", *(f"{title} {text(lang, f'export.col_{sum}')}" for sum in SUMS)]
    rows: list[Row] = []
    for rank, score in enumerate(scores, 1):
        parts = [(part.points, part.indicator.numerator, part.indicator.denominator) for part in score.parts]
        rows.append([rank, name(score.subject), score.value, *(cell for part in parts for cell in part)])
    return [[text(lang, f"performance.{section}"), text(lang, f"performance.means_{section}")], columns, *rows]


def _lay_chains(found: Performance, name: Callable[[str], str], lang: str) -> list[Row]:
    columns = [text(lang, f"performance.column_{column}") for column in ("who", "bundle")]
    columns += [
        f"{text(lang, f'performance.link_{link}')} {100 * getattr(found.weights, link):.0f} %" for link in LINKS
    ]
    rows = [[name(one.village), one.value, *(one.links[link] for link in LINKS)] for one in found.chains]
    return [[text(lang, "performance.chains")], columns, *rows]
