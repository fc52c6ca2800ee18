"""One html page of the screening to publish: county and townships, no household, no village, no veto watch, small counts withheld."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from returnrisk.errors import ContractViolation
from returnrisk.reports import numbers
from returnrisk.reports.content import PERSONAL
from returnrisk.reports.screening_sheets import missing, one_line
from returnrisk.reports.summary import Card
from returnrisk.reports.tables import Cell, Row, Table
from returnrisk.reports.texts import Text, text
from returnrisk.store.files import write_atomically
from returnrisk.visits.saving import write_table

if TYPE_CHECKING:
    from returnrisk.screening.small_cells import Published

SECTIONS = ("summary", "falls", "causes", "alerts", "categories", "coverage", "limits")
LIMITS = ("lead", "projected", "unknown", "causes", "rank")
PUBLISHED = ("areas", "causes", "alerts", "categories", "elimination", "checks", "coverage")
NOT_ON_THE_PAGE = ("yields",)
"""What may be published and is not shown: yields by rule would name the rules on what somebody said."""
SHOWN_CHANNELS = ("department", "emergency")
"""Channels whose rules are named; what somebody said of a household is one line, through whichever channel it came."""
_ALERT_COUNTS = ("n_new", "n_open", "n_visited", "n_verified_risk", "n_verified_none", "n_closed", "n_overdue")
_SOURCES = ("operating", "wage", "property", "transfer")


def render_screening_page(published: Published, path: Path, *, synthetic: bool = False) -> Path:
    """Write the page to `path` and the frames behind its tables to `report_data/` beside it.

    Parameters
    ----------
    published
        `small_cells.publish(rollup)`: county and townships, hidden counts missing.
    path
        The html file to be; its folder is made if need be.
    synthetic
        True for a simulated county: the page says so on top.

    Returns
    -------
    Path
        `path`. The same figures give the same bytes. Every figure on the page comes from `report_data/<frame>.parquet`.

    Raises
    ------
    ContractViolation
        A frame holds villages or households, or the veto watch is among them.
    OSError
        The folder cannot be written or the disk is full; an older page stays as it was.
    """
    import pyarrow as pa

    frames = publishable_frames(published.parts())
    for name, frame in frames.items():
        write_table(pa.Table.from_pandas(frame, preserve_index=False), path.parent / "report_data" / f"{name}.parquet")
    page = page_text(published, frames, synthetic=synthetic)
    return write_atomically(path, lambda p: p.write_text(page, encoding="utf-8", newline="\n"))


def publishable_frames(parts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The frames of a page, checked; rules of what people said of households as one.

    Raises
    ------
    ContractViolation
        A frame holds villages or households, or is none that may be published.
    """
    if strange := sorted(set(parts) - {*PUBLISHED, *NOT_ON_THE_PAGE}):
        raise ContractViolation(f"{', '.join(strange)}: not to be published; give small_cells.publish(rollup)")
    for name, frame in ((name, parts[name]) for name in PUBLISHED if name in parts):
        levels = set(frame["level"]) - {"county", "township"}
        personal = [column for column in PERSONAL if column in frame.columns]
        if levels or personal:
            raise ContractViolation(
                f"{name} holds {', '.join([*sorted(levels), *personal])}: published are county and townships only"
            )
    return {name: _one_rule(parts[name]) if name == "alerts" else parts[name] for name in PUBLISHED if name in parts}


def _one_rule(alerts: pd.DataFrame) -> pd.DataFrame:
    """Rules by what somebody said as one rule; its count is missing where one of them is hidden. Channels and households are left out."""
    said = ~alerts["channel"].isin(SHOWN_CHANNELS)
    words = text("screening_page.other_rules")
    counts = ["n_alerts", *_ALERT_COUNTS]
    places = ["level", "area_code", "parent_code", "area_zh"]
    plain = alerts.loc[~said, [*places, "rule", "title_zh", "title_en", *counts]]
    whole = alerts.loc[said].groupby(places, sort=False, as_index=False)[counts].sum(skipna=False)
    if whole.empty:
        return plain.reset_index(drop=True)
    whole = whole.assign(rule="said", title_zh=words.zh, title_en=words.en)
    both = pd.concat([plain, whole[plain.columns]], ignore_index=True)
    order = {code: place for place, code in enumerate(alerts["area_code"].drop_duplicates())}
    return both.sort_values("area_code", key=lambda codes: codes.map(order), kind="stable", ignore_index=True)


HIDDEN = "＊"
"""Stands in place of a hidden count, which may be a large one: a number before it would be false."""


def page_text(published: Published, frames: Mapping[str, pd.DataFrame], *, synthetic: bool) -> str:
    """The whole page; everything it shows that comes from data is escaped."""
    import jinja2

    loader = jinja2.PackageLoader("returnrisk.reports", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["text"] = text
    area = one_line(published.county_name) or str(published.county_code)
    page = _Tables(frames, HIDDEN)
    return environment.get_template("screening.html.j2").render(
        area=area,
        day=published.day,
        facts=text("screening_page.facts", area=area, day=published.day, pack=published.pack),
        synthetic=synthetic,
        sections=SECTIONS,
        cards=page.cards(),
        hidden_note=text("screening_page.hidden", mark=page.mark, most=published.smallest_cell - 1),
        tables={
            "falls": [page.falls(), page.sources()],
            "causes": [page.causes()],
            "alerts": [page.alerts(), page.alerts_by_area()],
            "categories": [page.categories(), page.elimination()],
            "coverage": [page.coverage(), page.checks()],
        },
        folded_tables={
            "falls": [],
            "causes": [page.crossed("causes", "cause", "n_households", "cause")],
            "alerts": [],
            "categories": [page.crossed("categories", "category", "n_yes", "")],
            "coverage": [],
        },
        limits=[text(f"screening_page.limit_{name}") for name in LIMITS],
    )


class _Tables:
    """The page's tables: frames in, words and formatted numbers out."""

    def __init__(self, frames: Mapping[str, pd.DataFrame], mark: str) -> None:
        self.frames, self.mark = frames, mark

    def _count(self, value: object) -> str:
        return self.mark if missing(value) else numbers.count(float(value))  # type: ignore[arg-type]

    @staticmethod
    def _share(value: object) -> str:
        return numbers.MISSING if missing(value) else numbers.share(float(value)).replace("-", "−")  # type: ignore[arg-type]

    def _areas(self, name: str) -> list[dict[Any, Any]]:
        """Townships, then the county."""
        frame = self.frames[name]
        return [*frame.loc[frame["level"] == "township"].to_dict("records"), *self._county(name)]

    def _county(self, name: str) -> list[dict[Any, Any]]:
        frame = self.frames[name]
        return list(frame.loc[frame["level"] == "county"].to_dict("records"))

    def _row(self, area: Mapping[Any, Any], cells: Sequence[str]) -> Row:
        county = area["level"] == "county"
        name = one_line(area["area_zh"]) or str(area["area_code"])
        label: Text | str = Text(zh=f"{name} {text('status.total').zh}", en=text("status.total").en) if county else name
        return Row((Cell(label), *map(Cell, cells)), "total" if county else "")

    def _by_area(self, caption: str, name: str, columns: Mapping[str, str]) -> Table:
        """Areas in rows; `columns` are counts or shares."""
        rows = [
            self._row(area, [self._share(area[c]) if kind == "share" else self._count(area[c]) for c, kind in columns.items()])
            for area in self._areas(name)
        ]
        heads = (text("form.area"), *(_head(column) for column in columns))
        return Table(text(f"screening_page.{caption}"), heads, tuple(rows))

    def cards(self) -> list[Card]:
        """Five figures of the county."""
        county = self._county("areas")[0]
        found = []
        for key in ("n_screened", "n_fall", "fall_share", "n_below_target", "n_alerts"):
            figure = self._share(county[key]) if key == "fall_share" else self._count(county[key])
            found.append(Card(figure, text(f"screening_page.{key}")))
        return found

    def falls(self) -> Table:
        """Verdicts of the projected year by area."""
        counts = dict.fromkeys(("n_screened", "n_fall", "n_level", "n_rise", "n_unknown"), "count")
        more = {"fall_share": "share", "same_change_share": "share", "n_below_target": "count", "n_below_line": "count"}
        return self._by_area("table_falls", "areas", counts | more)

    def sources(self) -> Table:
        """Falling sources by area."""
        return self._by_area("table_sources", "areas", {f"n_fall_{source}": "count" for source in _SOURCES})

    def alerts_by_area(self) -> Table:
        """Alerts by area."""
        counts = dict.fromkeys(("n_alerts", "n_new_alerts", "n_overdue", "n_alerted"), "count")
        return self._by_area("table_alerts_by_area", "areas", counts)

    def coverage(self) -> Table:
        """Households without data, by area."""
        columns = {"n_households": "count", "n_without_any": "count", "share_without_any": "share", "n_without_income": "count"}
        return self._by_area("table_coverage", "coverage", columns)

    def _of_county(self, caption: str, name: str, first: str, words: tuple[str, str], columns: Mapping[str, str]) -> Table:
        """Codes of the county in rows."""
        rows = []
        for row in self._county(name):
            number = f"{row['number']} " if "number" in row else ""
            label = Text(zh=f"{number}{row[words[0]]}", en=f"{number}{row[words[1]]}")
            cells = [self._share(row[c]) if kind == "share" else self._count(row[c]) for c, kind in columns.items()]
            rows.append(Row((Cell(label), *map(Cell, cells))))
        heads = (text(f"form.{first}"), *(_head(column) for column in columns))
        return Table(text(f"screening_page.{caption}"), heads, tuple(rows))

    def causes(self) -> Table:
        """Causes of the county."""
        columns = {"n_households": "count", "share": "share"}
        return self._of_county("table_causes", "causes", "cause", ("cause_zh", "cause_en"), columns)

    def alerts(self) -> Table:
        """Rules of the county and where their alerts stand."""
        columns = dict.fromkeys(_ALERT_COUNTS, "count")
        return self._of_county("table_alerts", "alerts", "rule", ("title_zh", "title_en"), columns)

    def categories(self) -> Table:
        """Answers of the county."""
        columns = dict.fromkeys(("n_yes", "n_no", "n_cannot_tell"), "count")
        return self._of_county("table_categories", "categories", "category", ("zh", "en"), columns)

    def checks(self) -> Table:
        """Consistency of the county."""
        columns = dict.fromkeys(("n_problem", "n_fine", "n_cannot_tell"), "count")
        return self._of_county("table_checks", "checks", "check", ("zh", "en"), columns)

    def elimination(self) -> Table:
        """States by area."""
        return self.crossed("elimination", "state", "n_households", "")

    def crossed(self, name: str, code: str, column: str, prefix: str) -> Table:
        """Areas in rows, codes in columns."""
        frame = self.frames[name]
        zh, en = (f"{prefix}_zh", f"{prefix}_en") if prefix else ("zh", "en")
        codes = frame.drop_duplicates(code)
        cells = {(row["area_code"], row[code]): row[column] for row in frame.to_dict("records")}
        areas = [*self.frames["areas"].loc[lambda t: t["level"] == "township"].to_dict("records"), *self._county("areas")]
        rows = [self._row(area, [self._count(cells[area["area_code"], each]) for each in codes[code]]) for area in areas]
        heads = (text("form.area"), *(Text(a, b) for a, b in zip(codes[zh], codes[en], strict=True)))
        caption = "table_elimination" if name == "elimination" else f"table_{name}_by_area"
        return Table(text(f"screening_page.{caption}"), heads, tuple(rows))


def _head(column: str) -> Text:
    """A column's head on one line."""
    names = {"n_households": "households", "n_alerts": "n_not_closed"}
    head = text(f"form.{names.get(column, column)}")
    return Text(zh=head.zh.replace("\n", ""), en=head.en.replace("-\n", "").replace("\n", " "))
