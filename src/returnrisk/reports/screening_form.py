"""The one-page form of a county or a township: what was screened, what fell and why, alerts, categories, elimination, coverage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from returnrisk.reports.cells import LINE_POINTS, lines_needed
from returnrisk.reports.screening_content import Content, of_area
from returnrisk.reports.screening_sheets import FormPen, Place, missing, print_set_up, write_bands, write_signatures
from returnrisk.reports.texts import Text, text
from returnrisk.screening.neutral_rules import NEUTRAL_TITLE

Line = tuple[object, ...]
_WIDTHS = (33, 15.5, 9.5, 1.2, 30, 9, 9.5, 14, 1.2, 28.5, 9, 9.5, 8.5)
_ROW_POINTS = 18.5
_STARTS = (0, 4, 9)
_SOURCES = ("operating", "wage", "property", "transfer")


@dataclass(frozen=True, slots=True)
class Part:
    """A small table of the form: title, heads, rows, and the shape of every column (a row may bring its own)."""

    title: Text
    heads: tuple[Text, ...]
    rows: tuple[Line, ...]
    shapes: tuple[str, ...]
    row_shapes: tuple[tuple[str, ...], ...] = ()


def parts_of(content: Content, area: int, *, county: bool) -> tuple[list[Part], list[Part], list[Part]]:
    """The form's three columns of small tables for one area; a township's shows no yield, and rules that would tell a channel as one."""
    row = of_area(content.rollup.areas, area).iloc[0].to_dict()
    left = [_overall(content, row, county=county), _elimination(content, area)]
    middle = [_causes(content, area), _sources(row), _coverage(content, area)]
    right = [_alerts(content, area, row, county=county), _categories(content, area)]
    if county:
        middle.append(_yield(content))
    return left, middle, right


def write_form(book: Any, content: Content, area: int, place: Place, *, county: bool) -> None:
    """Write the form of one area on a sheet that prints as one page."""
    sheet = book.add_worksheet(text(f"screening_sheet.{'county' if county else 'townships'}").zh)
    pen = FormPen(book, sheet)
    for at, width in enumerate(_WIDTHS):
        sheet.set_column(at, at, width)
    title = text(f"screening.title_{'county' if county else 'township'}", area=place.name).zh
    lines = [(content.facts().zh, "line"), (text("screening.decides").zh, "notice")]
    top = write_bands(pen, len(_WIDTHS) - 1, title=title, lines=lines, width=sum(_WIDTHS))
    heights: dict[int, int] = {}
    for start, parts in zip(_STARTS, parts_of(content, area, county=county), strict=True):
        row = top
        for part in parts:
            row = _write_part(pen, row, start, part, heights)
    for row, lines_here in heights.items():
        sheet.set_row(row, max(lines_here * LINE_POINTS + 3, _ROW_POINTS))
    last = write_signatures(pen, max(heights), len(_WIDTHS) - 1)
    sheet.freeze_panes(top, 0)
    print_set_up(sheet, place, one_page=True, last_row=last, last_column=len(_WIDTHS) - 1)


def _write_part(pen: FormPen, row: int, start: int, part: Part, heights: dict[int, int]) -> int:
    """Write a small table; the row after it and a gap."""
    pen.across(row, start, start + len(part.heads) - 1, part.title.zh, "part")
    heights[row] = max(heights.get(row, 1), 1)
    row += 1
    for at, head in enumerate(part.heads):
        words = head.zh.replace("\n", "")
        pen.text(row, start + at, words, "header")
        heights[row] = max(heights.get(row, 1), lines_needed(words, _WIDTHS[start + at] - 0.5))
    for n, line in enumerate(part.rows):
        row += 1
        shapes = part.row_shapes[n] if part.row_shapes else part.shapes
        for at, (value, shape) in enumerate(zip(line, shapes, strict=True)):
            if shape == "none":
                pen.blank(row, start + at, "words")
            else:
                pen.value(row, start + at, value, shape)
            if isinstance(value, str) and shape != "none":
                heights[row] = max(heights.get(row, 1), lines_needed(value, _WIDTHS[start + at] - 1.5))
        heights.setdefault(row, 1)
    return row + 2


def _heads(*keys: str) -> tuple[Text, ...]:
    return tuple(text(f"form.{key}") for key in keys)


def _ratio(part: object, whole: object) -> float:
    """Share of a whole that is there."""
    if missing(part) or missing(whole) or not whole:
        return float("nan")
    return float(part) / float(whole)  # type: ignore[arg-type]


def _overall(content: Content, row: dict[Any, Any], *, county: bool) -> Part:
    judged = row["n_screened"] - row["n_unknown"]
    target = f"{content.number('income_growth_target'):.0%}"
    plain, share, cny, cny_share = ("count", "none"), ("count", "share"), ("yuan", "none"), ("yuan", "share")
    lines: list[tuple[str, object, object, tuple[str, str]]] = [
        ("n_households", row["n_households"], None, plain),
        ("n_monitored", row["n_monitored"], None, plain),
        ("n_set_aside", row["n_set_aside"], None, plain),
        ("n_screened", row["n_screened"], None, plain),
        ("n_fall", row["n_fall"], row["fall_share"], share),
        ("n_level", row["n_level"], _ratio(row["n_level"], judged), share),
        ("n_rise", row["n_rise"], _ratio(row["n_rise"], judged), share),
        ("n_unknown", row["n_unknown"], None, plain),
        ("n_same_fall", row["n_same_fall"], row["same_fall_share"], share),
        ("same_last_cny", row["same_last_cny"], None, cny),
        ("same_this_cny", row["same_this_cny"], row["same_change_share"], cny_share),
        ("fall_same_last_cny", row["fall_same_last_cny"], None, cny),
        ("fall_same_this_cny", row["fall_same_this_cny"], row["fall_same_change_share"], cny_share),
        ("last_cny", row["last_cny"], None, cny),
        ("projected_cny", row["projected_cny"], row["change_share"], cny_share),
        ("n_below_target", row["n_below_target"], _ratio(row["n_below_target"], judged), share),
        ("gap_target_cny", row["gap_target_cny"], None, cny),
        ("n_below_line", row["n_below_line"], _ratio(row["n_below_line"], judged), share),
    ]
    if county and content.rollup.n_unplaced:  # households that cannot be put into any village
        n = row["n_set_aside"] + content.rollup.n_unplaced
        lines[2:3] = [("n_set_aside", n, None, plain), ("n_unplaced", content.rollup.n_unplaced, None, plain)]
    if row["n_monitored_unknown"]:
        lines.insert(2, ("n_monitored_unknown", row["n_monitored_unknown"], None, plain))
    rows = tuple((text(f"form_row.{key}", target=target).zh, figure, part) for key, figure, part, _ in lines)
    shapes = tuple(("words", *each[3]) for each in lines)
    return Part(
        text("screening_part.overall"), _heads("indicator", "figure", "share_or_change"), rows, ("words", "count", "share"), shapes
    )


def _elimination(content: Content, area: int) -> Part:
    t = of_area(content.rollup.elimination, area)
    total = int(t["n_households"].sum())
    rows = tuple((each["zh"], each["n_households"], _ratio(each["n_households"], total)) for each in _records(t))
    return Part(text("screening_part.elimination"), _heads("state", "households", "share"), rows, ("words", "count", "share"))


def _causes(content: Content, area: int) -> Part:
    t = of_area(content.rollup.causes, area).sort_values("number")
    rows = [(f"{each['number']} {each['cause_zh']}", each["n_households"], each["share"], _explained(each)) for each in _records(t)]
    falling = int(t["n_fall_any"].iloc[0]) if len(t) else 0
    rows.append((text("form_row.n_fall_any").zh, falling, None, None))
    shapes = [("words", "count", "share", "yuan")] * (len(rows) - 1) + [("words", "count", "none", "none")]
    return Part(
        text("screening_part.causes"),
        _heads("cause", "households", "share", "explained_cny"),
        tuple(rows),
        shapes[0],
        tuple(shapes),
    )


def _explained(row: dict[Any, Any]) -> object:
    """Yuan that records can say; households with a cause whose amount nobody can say have not lost 0 yuan."""
    return None if row["n_households"] and not row["explained_cny"] else row["explained_cny"]


def _sources(row: dict[Any, Any]) -> Part:
    rows = tuple(
        (text(f"form.{source}").zh, row[f"n_fall_{source}"], _ratio(row[f"n_fall_{source}"], row["n_screened"]))
        for source in _SOURCES
    )
    heads = (text("form.source"), text("form.households"), text("form.of_screened"))
    return Part(text("screening_part.sources"), heads, rows, ("words", "count", "share"))


def _coverage(content: Content, area: int) -> Part:
    row = of_area(content.rollup.coverage, area).iloc[0].to_dict()
    n_tables = sum(str(column).startswith("arrived_") for column in row)
    without = _ratio(row["n_without_income"], row["n_households"])
    rows = (
        (text("form_row.n_without_any").zh, row["n_without_any"], row["share_without_any"]),
        (text("form_row.n_without_income").zh, row["n_without_income"], without),
        (text("form_row.n_sources_mean", n=n_tables).zh, row["n_sources_mean"], None),
    )
    shapes = (("words", "count", "share"), ("words", "count", "share"), ("words", "mean", "none"))
    return Part(text("screening_part.coverage"), _heads("indicator", "figure", "share"), rows, shapes[0], shapes)


def _alerts(content: Content, area: int, row: dict[Any, Any], *, county: bool) -> Part:
    t = of_area(content.rollup.alerts, area)
    t = t.assign(title=t["title_zh"])
    if not county:
        hidden = t["rule"].isin(content.neutral)
        t["title"] = t["title"].mask(hidden, NEUTRAL_TITLE[0])
    t = t.assign(n_not_closed=t["n_alerts"] - t["n_closed"])
    # Rules with one title are one line; the neutral one stands last, wherever its rules stood.
    t = t.groupby("title", sort=False, as_index=False)[["n_not_closed", "n_new", "n_overdue"]].sum()
    t = t.sort_values("title", key=lambda s: s == NEUTRAL_TITLE[0], kind="stable")
    lines = [(each["title"], each["n_not_closed"], each["n_new"], each["n_overdue"]) for each in _records(t)]
    lines += [(text("form_row.n_not_closed").zh, row["n_alerts"], row["n_new_alerts"], row["n_overdue"])]
    lines += [(text(f"form_row.{key}").zh, row[key], None, None) for key in ("n_alerted", "n_must_visit")]
    shapes = [("words", "count", "count", "count")] * (len(lines) - 2) + [("words", "count", "none", "none")] * 2
    heads = _heads("rule", "n_not_closed", "n_new", "n_overdue")
    return Part(text("screening_part.alerts"), heads, tuple(lines), shapes[0], tuple(shapes))


def _categories(content: Content, area: int) -> Part:
    t = of_area(content.rollup.categories, area)
    rows = tuple((each["zh"], each["n_yes"], each["n_no"], each["n_cannot_tell"]) for each in _records(t))
    return Part(
        text("screening_part.categories"), _heads("category", "n_yes", "n_no", "n_cannot_tell"), rows, ("words", *["count"] * 3)
    )


def _yield(content: Content) -> Part:
    found = content.screening.alert_yield
    title = text("screening_part.yield")
    if found is None:
        return Part(title, _heads("indicator", "households"), ((text("screening.no_yield").zh, None),), ("words", "count"))
    row = found.frame.iloc[0].to_dict()  # the first row is that of all rules
    months = "、".join(found.months)
    rows = (
        (text("form_row.yield_all").zh, row["n_households"], None),
        (text("form_row.yield_risk").zh, row["n_verified_risk"], row["share_verified_risk"]),
        (text("form_row.yield_open").zh, row["n_unregistered"], None),
        (text("form_row.yield_registered").zh, row["n_registered"], row["share_registered"]),
    )
    shapes = (("words", "count", "none"), ("words", "count", "share")) * 2
    heads = (Text(zh=months, en=months), *_heads("households", "share"))
    return Part(title, heads, rows, shapes[0], shapes)


def _records(frame: pd.DataFrame) -> Iterator[dict[Any, Any]]:
    yield from frame.to_dict("records")


__all__: Sequence[str] = ["Part", "parts_of", "write_form"]
