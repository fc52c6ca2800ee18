"""Tables by area: townships and villages with the totals of the level above, causes, alerts, categories, coverage, checks, veto watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from returnrisk.contracts import load_contracts
from returnrisk.reports.screening_content import Content, records
from returnrisk.reports.screening_sheets import (
    Field,
    FormPen,
    Place,
    Row,
    field,
    one_line,
    print_set_up,
    set_widths,
    write_bands,
    write_signatures,
    write_table,
)
from returnrisk.reports.texts import Text, text

AREA_COLUMNS = (
    ("n_households", 7.5, "count", "base"),
    ("n_monitored", 7, "count", "base"),
    ("n_screened", 7.5, "count", "base"),
    ("n_fall", 7, "count", "projected"),
    ("n_level", 7, "count", "projected"),
    ("n_rise", 7, "count", "projected"),
    ("n_unknown", 6.5, "count", "projected"),
    ("fall_share", 7, "share", "projected"),
    ("change_share", 8, "share", "projected"),
    ("n_same_fall", 7, "count", "same"),
    ("same_fall_share", 7.5, "share", "same"),
    ("same_last_cny", 14.5, "yuan", "same"),
    ("same_this_cny", 14.5, "yuan", "same"),
    ("same_change_share", 7, "share", "same"),
    ("fall_same_change_share", 9, "share", "same"),
    ("n_below_target", 7, "count", "target"),
    ("gap_target_cny", 13, "yuan", "target"),
    ("n_below_line", 8.5, "count", "target"),
    ("n_fall_operating", 7, "count", "sources"),
    ("n_fall_wage", 7, "count", "sources"),
    ("n_fall_property", 7, "count", "sources"),
    ("n_fall_transfer", 7, "count", "sources"),
    ("n_alerts", 7.5, "count", "alerts"),
    ("n_new_alerts", 6.5, "count", "alerts"),
    ("n_overdue", 6.5, "count", "alerts"),
    ("n_alerted", 7, "count", "alerts"),
    ("n_must_visit", 7, "count", "alerts"),
)
_YES_NO = {True: "screening.yes", False: "screening.no"}


def write_sheet(
    book: Any,
    content: Content,
    place: Place,
    name: str,
    *,
    fields: Sequence[Field],
    rows: Sequence[Row],
    notice: Text | None = None,
    frozen: int = 2,
) -> None:
    """One sheet with one table: title, facts, heads on every page, lines to sign."""
    sheet = book.add_worksheet(text(f"screening_sheet.{name}").zh)
    pen = FormPen(book, sheet)
    width = set_widths(pen, fields)
    lines = [(content.facts().zh, "line"), ((notice or text("screening.decides")).zh, "notice")]
    top = write_bands(pen, len(fields) - 1, title=text(f"screening.title_{name}", area=place.name).zh, lines=lines, width=width)
    span = write_table(pen, top, fields, rows)
    last = write_signatures(pen, span.last, len(fields) - 1)
    sheet.freeze_panes(span.head + 1, frozen)
    print_set_up(sheet, place, heads=(span.top, span.head), last_row=last, last_column=len(fields) - 1)


def area_rows(frame: pd.DataFrame, *, villages: bool, within: int | None = None) -> list[dict[Any, Any]]:
    """Rows in the order of a form, each with `number`, `township`, `village` and `mark`.

    Townships with the county's row as total; or villages, each township's closed by its own row as subtotal, and the county's as
    total. `within`: the villages of one township, whose own row is the total.
    """
    names = {int(code): one_line(name) or str(code) for code, name in zip(frame["area_code"], frame["area_zh"], strict=True)}
    found: list[dict[Any, Any]] = []
    by_level = {level: list(part.to_dict("records")) for level, part in frame.groupby("level", sort=False)}
    under: dict[int, list[dict[Any, Any]]] = {}
    for row in by_level.get("village", []):
        under.setdefault(int(row["parent_code"]), []).append(row)
    number = 0
    for township in by_level.get("township", []):
        code = int(township["area_code"])
        if within is not None and code != within:
            continue
        below = under.get(code, []) if villages else []
        for row in below:
            number += 1
            found.append(row | {"number": number, "township": names[code], "village": names[int(row["area_code"])], "mark": ""})
        if within is None and not villages:
            number += 1
            found.append(township | {"number": number, "township": names[code], "mark": ""})
        elif within is None:
            label = text("screening.subtotal", area=names[code]).zh
            found.append(township | {"number": "", "township": label, "village": "", "mark": "_subtotal"})
        else:
            label = text("screening.total", area=names[code]).zh
            found.append(township | {"number": "", "village": label, "mark": "_total"})
    for county in by_level.get("county", []) if within is None else []:
        label = text("screening.total", area=names[int(county["area_code"])]).zh
        found.append(county | {"number": "", "township": label, "village": "", "mark": "_total"})
    return found


def _places(*, villages: bool, townships: bool = True) -> tuple[Field, ...]:
    found = [field("number", 5.5, "middle")]
    found += [field("township", 14, "words")] if townships else []
    found += [field("village", 13, "words")] if villages else []
    return tuple(found)


def write_areas(book: Any, content: Content, place: Place, *, villages: bool, within: int | None = None) -> None:
    """乡镇表 or 村表; `within` a township, of its villages only and without the township's name in every row."""
    places = _places(villages=villages, townships=within is None)
    fields = places + tuple(field(key, width, shape, group=g) for key, width, shape, g in AREA_COLUMNS)
    areas = content.rollup.areas
    if within is not None:
        areas = areas.loc[(areas["area_code"] == within) | (areas["parent_code"] == within)]
    rows = area_rows(areas, villages=villages, within=within)
    name = "villages" if villages else "townships"
    write_sheet(book, content, place, name, fields=fields, rows=rows, frozen=len(places))


def _wide(frame: pd.DataFrame, code: str, columns: Sequence[str]) -> pd.DataFrame:
    """One row per area: `<column>:<code>` for every code, beside the area's own columns."""
    areas = frame[["level", "area_code", "parent_code", "area_zh"]].drop_duplicates("area_code")
    wide = frame.pivot_table(index="area_code", columns=code, values=list(columns), aggfunc="first", dropna=False, sort=False)
    wide.columns = [":".join(map(str, names)) for names in wide.columns.to_list()]
    return areas.merge(wide, left_on="area_code", right_index=True, how="left", validate="one_to_one")


def write_causes(book: Any, content: Content, place: Place) -> None:
    """Per area and cause households and their share, villages to county."""
    frame = content.rollup.causes
    codes = records(frame.drop_duplicates("cause").sort_values("number"))
    wide = _wide(frame, "cause", ("n_households", "share")).merge(
        frame[["area_code", "n_fall_any"]].drop_duplicates("area_code"), on="area_code"
    )
    fields = [*_places(villages=True), field("n_fall_any", 8.5)]
    for each in codes:
        group = Text(zh=f"{each['number']} {each['cause_zh']}", en=f"{each['number']} {each['cause_en']}")
        fields += [
            Field(f"n_households:{each['cause']}", text("form.households"), 7.2, "count", group),
            Field(f"share:{each['cause']}", text("form.share"), 7.2, "share", group),
        ]
    write_sheet(book, content, place, "causes", fields=fields, rows=area_rows(wide, villages=True), frozen=3)


def write_alerts_by_area(book: Any, content: Content, place: Place) -> None:
    """Alerts that are not closed, per area and rule."""
    frame = content.rollup.alerts
    frame = frame.assign(n_not_closed=frame["n_alerts"] - frame["n_closed"])
    wide = _wide(frame, "rule", ("n_not_closed",)).merge(
        content.rollup.areas[["area_code", "n_alerts", "n_overdue", "n_alerted"]], on="area_code"
    )
    rules = records(frame.drop_duplicates("rule"))
    fields = [
        *_places(villages=True),
        *(Field(f"n_not_closed:{r['rule']}", Text(r["title_zh"], r["title_en"]), 11) for r in rules),
        field("n_alerts", 9),
        field("n_overdue", 9),
        field("n_alerted", 9),
    ]
    write_sheet(book, content, place, "alerts_by_area", fields=fields, rows=area_rows(wide, villages=True), frozen=3)


def write_alerts(book: Any, content: Content, place: Place) -> None:
    """Per rule where the county's alerts stand, and the yield with its label, unit and months."""
    county = content.rollup.alerts.loc[content.rollup.alerts["level"] == "county"]
    found = content.screening.alert_yield
    yields = {} if found is None else {str(r["rule"]): r for r in found.frame.to_dict("records")}
    rows: list[dict[Any, Any]] = []
    for each in records(county):
        rows.append({**each, **_yield_of(yields.get(str(each["rule"]))), "channel_zh": _channel(each["channel"])})
    counts = ("n_new", "n_open", "n_visited", "n_verified_risk", "n_verified_none", "n_closed", "n_overdue")
    total: dict[Any, Any] = {key: sum(int(row[key]) for row in rows) for key in ("n_alerts", *counts)}
    # a household with alerts of two rules is one household: the sum over rules is not the county's number
    rows.append(total | _yield_of(yields.get("*")) | {"title_zh": text("screening.total", area=place.name).zh, "mark": "_total"})
    rows[-1] |= {"office": "", "channel_zh": ""}
    raised, now = text("form_group.raised"), text("form_group.now")
    group = _yield_label(content)
    fields = (
        Field("title_zh", text("form.rule"), 30, "words"),
        Field("office", text("form.office"), 13, "words"),
        Field("channel_zh", text("form.channel"), 14, "words"),
        Field("n_alerts", text("form.n_ever"), 8, group=raised),
        Field("n_households", text("form.n_ever_households"), 8, group=raised),
        *(Field(key, text(f"form.{key}"), 8.5, group=now) for key in counts),
        *(Field(f"yield_{key}", text(f"form.yield_{key}"), 9, shape, group) for key, shape in _YIELD_COLUMNS[:2]),
        Field("yield_share_verified_risk", text("form.yield_share_verified_risk"), 9, "share", group),
        Field("interval_verified_risk", text("form.interval_verified_risk"), 14, "middle", group),
        *(Field(f"yield_{key}", text(f"form.yield_{key}"), 9, shape, group) for key, shape in _YIELD_COLUMNS[3:5]),
        Field("yield_share_registered", text("form.yield_share_registered"), 9, "share", group),
        Field("interval_registered", text("form.interval_registered"), 14, "middle", group),
    )
    write_sheet(book, content, place, "alerts", fields=fields, rows=rows, notice=_yield_words(content), frozen=1)


_YIELD_COLUMNS = (
    ("households", "count"),
    ("verified_risk", "count"),
    ("share_verified_risk", "share"),
    ("unregistered", "count"),
    ("registered", "count"),
    ("share_registered", "share"),
)


def _yield_of(row: Mapping[Any, Any] | None) -> dict[Any, Any]:
    if row is None:
        return {}
    found = {f"yield_{key}": row[key if key.startswith("share_") else f"n_{key}"] for key, _ in _YIELD_COLUMNS}
    for key in ("verified_risk", "registered"):
        low, high = row[f"low_{key}"], row[f"high_{key}"]
        found[f"interval_{key}"] = None if pd.isna(low) else f"{max(low, 0):.1%}–{high:.1%}"
    return found


def _yield_label(content: Content) -> Text:
    found = content.screening.alert_yield
    part = text("screening_part.yield")
    if found is None:
        return part
    months = "、".join(found.months)
    return Text(zh=f"{part.zh.split('、')[-1]}（{months}预警的户）", en=f"{part.en} ({months})")


def _yield_words(content: Content) -> Text:
    found = content.screening.alert_yield
    if found is None:
        return text("screening.no_yield")
    months = "、".join(found.months)
    return text("screening_notes.yield", label=found.label_zh, months=months, known_on=found.known_on, level=f"{found.level:.0%}")


def _channel(code: object) -> str:
    return text(f"channel.{code}").zh


def write_categories(book: Any, content: Content, place: Place) -> None:
    """Per area and category: yes, and cannot tell; no is the rest of the households."""
    frame = content.rollup.categories
    wide = _wide(frame, "category", ("n_yes", "n_cannot_tell")).merge(
        content.rollup.areas[["area_code", "n_households"]], on="area_code"
    )
    fields = [*_places(villages=True), field("n_households", 8)]
    for each in records(frame.drop_duplicates("category")):
        group = Text(each["zh"], each["en"])
        fields += [
            Field(f"n_yes:{each['category']}", text("form.n_yes"), 6.8, "count", group),
            Field(f"n_cannot_tell:{each['category']}", text("form.n_cannot_tell"), 6.8, "count", group),
        ]
    write_sheet(book, content, place, "categories", fields=fields, rows=area_rows(wide, villages=True), frozen=3)


def write_coverage(book: Any, content: Content, place: Place) -> None:
    """Per township, households whose township delivered each table."""
    frame = content.rollup.coverage
    contracts = load_contracts()
    tables = [str(column).removeprefix("arrived_") for column in frame.columns if str(column).startswith("arrived_")]
    fields = [
        *_places(villages=False),
        field("n_households", 8),
        *(
            Field(f"arrived_{t}", Text(contracts[t].label_zh, contracts[t].label_en), 8.4, "count", text("form_group.arrived"))
            for t in tables
        ),
        field("n_sources_mean", 8, "mean"),
        field("n_without_any", 8.5),
        field("share_without_any", 8.5, "share"),
        field("n_without_income", 8.5),
    ]
    write_sheet(book, content, place, "coverage", fields=fields, rows=area_rows(frame, villages=False))


def write_checks(book: Any, content: Content, place: Place) -> None:
    """What is wrong in the input, how monitored households' records agree, and where they do not."""
    fields = (
        Field("place", text("form.area"), 20, "words"),
        Field("code", text("form.code"), 10, "middle"),
        Field("zh", text("form.check"), 44, "words"),
        field("n_problem", 10),
        field("n_rows", 10),
        field("n_fine", 10),
        field("n_cannot_tell", 10),
        Field("result", text("form.result"), 30, "words"),
    )
    frame = content.rollup.checks
    rows: list[dict[Any, Any]] = [{"place": text("screening_part.input").zh, "result": "", "mark": "_subtotal"}]
    for each in records(content.screening.input_counts):
        rows.append({**each, "place": place.name, "n_problem": each["n_households"], "result": _done(each)})
    rows.append({"place": text("screening_part.rules").zh, "result": "", "mark": "_subtotal"})
    for each in records(frame.loc[frame["level"] == "county"]):
        rows.append({**each, "place": place.name, "result": ""})
    troubled = frame.loc[(frame["level"] == "township") & (frame["n_problem"] > 0)].sort_values(["code", "area_code"])
    if len(troubled):
        rows.append({"place": text("screening_part.places").zh, "result": "", "mark": "_subtotal"})
    for each in records(troubled):
        rows.append({**each, "place": one_line(each["area_zh"]), "result": ""})
    write_sheet(book, content, place, "checks", fields=fields, rows=_blank_heads(rows), frozen=3)


def _blank_heads(rows: Iterable[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Rows that only head a part carry empty texts, not dashes."""
    blank = dict.fromkeys(("code", "zh", "n_problem", "n_rows", "n_fine", "n_cannot_tell"), "")
    return [blank | row if row.get("mark") else row for row in rows]


def _done(row: Mapping[Any, Any]) -> str:
    if row["result"] != "problem":
        return text(f"input_result.{row['result']}").zh
    if row["code"] == "SCR107":
        return text("input_result.line_used").zh
    return text("input_result.set_aside" if row["sets_aside"] else "input_result.left_out").zh


def write_veto(book: Any, content: Content, place: Place) -> None:
    """County's eyes only: townships with as many falls as the plan's number."""
    rows: list[dict[Any, Any]] = []
    for number, each in enumerate(records(content.rollup.veto), start=1):
        words = {key: text(_YES_NO[bool(each[key])]).zh for key in ("reaches", "reaches_office")}
        rows.append({**each, **words, "number": number, "township": one_line(each["township_zh"])})
    fields = (
        field("number", 7, "middle"),
        field("township", 24, "words"),
        field("n_fall", 14),
        field("n_office_cause", 20),
        field("n_verified", 18),
        field("veto_households", 14),
        field("reaches", 16, "middle"),
        field("reaches_office", 16, "middle"),
        field("remarks", 26, "words"),
    )
    rows = [row | {"remarks": ""} for row in rows]
    write_sheet(book, content, place, "veto", fields=fields, rows=rows, notice=text("screening.veto_notice"))


COUNTY_SHEETS: tuple[Callable[[Any, Content, Place], None], ...] = (
    write_causes,
    write_alerts,
    write_alerts_by_area,
    write_categories,
    write_coverage,
    write_checks,
    write_veto,
)
