"""One measured figure, beside what was promised and what it is compared with."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """``reach`` is the promise: at most that, or at least that when ``at_least``.

    ``anchor`` is what OpenStack Zed took on a machine of two processors, in words.
    """

    name: str
    words: str
    value: float
    unit: str
    reach: float
    anchor: str = ""
    at_least: bool = False
    detail: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.reach if self.at_least else self.value <= self.reach

    def as_json(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "value": round(self.value, 3),
                "unit": self.unit,
                "reach": self.reach,
                "anchor": self.anchor,
                "met": self.met,
            }
        )

    def as_row(self) -> tuple[str, ...]:
        sign = ">=" if self.at_least else "<="
        return (
            self.words,
            f"{self.value:.3g} {self.unit}"
            if self.value < 100
            else f"{self.value:.0f} {self.unit}",
            f"{sign} {self.reach:g}",
            "met" if self.met else "MISSED",
            self.anchor,
            self.detail,
        )


def table(figures: list[Figure]) -> str:
    """All figures as aligned text."""
    rows = [("what", "measured", "reach", "", "OpenStack Zed", "how")]
    rows += [figure.as_row() for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
