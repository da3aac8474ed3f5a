"""What an import found wrong or had to decide, for people and for machines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LINES_PER_KIND: Final = 5

# Every kind, and what was done about it.
KINDS: Final = {
    "refused": "rows refused",
    "repaired": "broken rings repaired",
    "overlap": "overlaps; the smaller area keeps the ground",
    "lost": "areas of which nothing was left",
    "filled": "areas that got slivers nobody claimed",
    "gap": "gaps left outside the county",
    "misfit": "areas that differ from their drawn outline",
}


@dataclass(frozen=True)
class Finding:
    """One thing found. `codes` are of the pack, the one that got the ground first; `area_m2` is good to a percent."""

    kind: str
    text: str
    codes: tuple[str, ...] = ()
    area_m2: float | None = None
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True)
class Report:
    """What an import made, and what it found."""

    counts: dict[str, int]
    findings: list[Finding]

    def summarise(self) -> list[str]:
        """Return a few lines for people: each kind with its number, its ground, and its largest cases."""
        lines = ["imported: " + ", ".join(f"{what} {number:,}" for what, number in self.counts.items())]
        for kind, meaning in KINDS.items():
            found = sorted(
                (finding for finding in self.findings if finding.kind == kind), key=lambda one: -(one.area_m2 or 0)
            )
            if not found:
                continue
            ground = sum(finding.area_m2 or 0 for finding in found)
            lines.append(f"{len(found):,} {meaning}" + (f", {ground:,.0f} m² in all" if ground else ""))
            lines += [f"  {finding.text}" for finding in found[:_LINES_PER_KIND]]
            if len(found) > _LINES_PER_KIND:
                lines.append(f"  … {len(found) - _LINES_PER_KIND:,} more in report.json")
        return lines


def write_report(report: Report, path: Path) -> None:
    """Write a report as JSON: `counts`, and `findings` one a line."""
    lines = ",\n".join(json.dumps(_trim(finding), ensure_ascii=False) for finding in report.findings)
    path.write_text(f'{{"counts": {json.dumps(report.counts)}, "findings": [\n{lines}\n]}}\n', encoding="utf-8")


def _trim(finding: Finding) -> dict[str, object]:
    digits = {"area_m2": 1, "lon": 6, "lat": 6}
    return {
        key: round(value, digits[key]) if key in digits else value
        for key, value in vars(finding).items()
        if value not in (None, ())
    }


def list_faults(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that `--strict` does not forgive: all but misfits with a coarser drawing."""
    return [finding for finding in findings if finding.kind != "misfit"]
