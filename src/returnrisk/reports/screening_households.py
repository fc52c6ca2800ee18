"""Households of one township: those whose income falls, with causes and measures; those with an alert. Restricted: names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from returnrisk.reports.cells import printable
from returnrisk.reports.list_sheets import FINDINGS
from returnrisk.reports.screening_content import Content
from returnrisk.reports.screening_sheets import (
    Field,
    FormPen,
    Place,
    field,
    missing,
    one_line,
    plain,
    print_set_up,
    set_widths,
    write_bands,
    write_signatures,
    write_table,
)
from returnrisk.reports.texts import Text, text
from returnrisk.screening.neutral_rules import neutral_alerts
from returnrisk.store.pseudonyms import pseudonym_text

SOURCES = ("operating", "wage", "property", "transfer")
_CODE_BREAK = 9  # a code is read aloud in groups; the third goes on a second line


@dataclass(frozen=True, slots=True, eq=False)
class TownshipHouseholds:
    """Rows of one township's sheets of households, ready to write."""

    falling: pd.DataFrame
    source_only: pd.DataFrame
    alerted: pd.DataFrame

    @property
    def n_without_name(self) -> int:
        """Households on any of the sheets without a name on file."""
        every = pd.concat([t[["household_id", "head"]] for t in (self.falling, self.source_only, self.alerted)])
        return int(every.loc[every["head"] == "", "household_id"].nunique())


@dataclass(frozen=True, slots=True, eq=False)
class CountyHouseholds:
    """Rows of all townships; one pass over the county, then cut by township."""

    falls: pd.DataFrame
    alerts: pd.DataFrame

    def of(self, township: int) -> TownshipHouseholds:
        """Rows of one township and of no other."""
        falls = self.falls.loc[self.falls["township_code"] == township]
        whole = falls["verdict"] == "fall"
        alerts = self.alerts.loc[self.alerts["township_code"] == township]
        return TownshipHouseholds(numbered(falls.loc[whole]), numbered(falls.loc[~whole]), numbered(alerts))


def county_households(content: Content, *, villages: pd.DataFrame, heads: Mapping[int, str]) -> CountyHouseholds:
    """Rows of every township's sheets.

    Parameters
    ----------
    villages
        village_code, village_name.
    heads
        Names of heads by household; a household that is not in it has none on file.
    """
    names = dict(zip(villages["village_code"], villages["village_name"], strict=True))
    alerts = alert_rows(content.screening.alerts, neutral=content.neutral, names=names, heads=heads)
    return CountyHouseholds(_falls(content, names, heads), alerts)


def _who(frame: pd.DataFrame, names: Mapping[int, str], heads: Mapping[int, str]) -> pd.DataFrame:
    codes = [pseudonym_text(household) for household in frame["household_id"]]
    return frame.assign(
        village=[one_line(names.get(code)) or str(code) for code in frame["village_code"]],
        head=[heads.get(household, "") for household in frame["household_id"]],
        pseudonym=[f"{code[: _CODE_BREAK + 1]}\n{code[_CODE_BREAK + 1 :]}" for code in codes],
    )


def _falls(content: Content, names: Mapping[int, str], heads: Mapping[int, str]) -> pd.DataFrame:
    """Households with a cause or a projected fall: income, change by source, causes with evidence, measures."""
    income = content.screening.income
    causes, totals = income.frame("causes"), income.frame("totals")
    kept = totals.loc[(totals["verdict"] == "fall") | totals["household_id"].isin(causes["household_id"])]
    changes = income.frame("changes")
    changes = changes.loc[changes["household_id"].isin(kept["household_id"]) & changes["source"].isin(SOURCES)]
    wide = changes.pivot_table(index="household_id", columns="source", values="change_cny", aggfunc="first", dropna=False)
    wide = wide.reindex(columns=list(SOURCES))
    t = kept.merge(wide, left_on="household_id", right_index=True, how="left", validate="one_to_one")
    t = t.assign(
        causes_text=_joined(t["household_id"], _cause_lines(content)),
        measures_text=_joined(t["household_id"], _measure_lines(content)),
        kind=[text(f"registered.{_kind(row)}").zh for row in t[["registered_type", "monitored"]].to_dict("records")],
    )
    t = _who(t, names, heads)
    # the deepest fall first within a village: that door is knocked on first
    order = t["change_cny"].map(lambda cny: float(cny) if cny is not None and not pd.isna(cny) else float("inf"))
    return t.assign(order=order).sort_values(["township_code", "village_code", "order", "household_id"], ignore_index=True)


def _kind(row: Mapping[Any, Any]) -> str:
    return "monitored" if row["monitored"] else str(row["registered_type"])


def _cause_lines(content: Content) -> dict[int, list[str]]:
    """Cause and evidence, the office's failures worded as the office's."""
    rolled = content.rollup.causes.drop_duplicates("cause")
    names = dict(zip(rolled["cause"], rolled["cause_zh"], strict=True))
    found: dict[int, list[str]] = {}
    for row in content.screening.income.frame("causes").to_dict("records"):
        line = f"{row['number']} {names[row['cause']]}：{printable(str(row['text_zh']))}"
        found.setdefault(int(row["household_id"]), []).append(line)
    return found


def _measure_lines(content: Content) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in content.screening.income.frame("measures").to_dict("records"):
        lines = found.setdefault(int(row["household_id"]), [])
        if (said := printable(str(row["text_zh"]))) not in lines:
            lines.append(said)
    return {household: [text("screening.measure_gap").zh.join(lines)] for household, lines in found.items()}


def _joined(households: pd.Series, lines: Mapping[int, list[str]]) -> list[str]:
    return ["\n".join(lines.get(int(household), [])) for household in households]


def alert_rows(
    alerts: pd.DataFrame, *, neutral: frozenset[str], names: Mapping[int, str], heads: Mapping[int, str]
) -> pd.DataFrame:
    """Alerts that are not closed; of what somebody said of a household neither channel, office nor evidence.

    Parameters
    ----------
    alerts
        With their states.
    neutral
        Rules that stand under one title.
    names, heads
        Names of villages and of heads.
    """
    t = alerts.loc[alerts["state"] != "closed"]
    t = neutral_alerts(t, neutral)
    t = t.assign(
        alert_title=t["title_zh"],
        evidence=t["evidence_zh"],
        alert_state=[text(f"alert_state.{state}").zh for state in t["state"]],
        must_visit=[text("screening.yes").zh if must else "" for must in t["must_visit"]],
    )
    t = t[
        [
            *("household_id", "village_code", "township_code", "alert_title", "evidence", "office", "raised_on", "due_on"),
            *("alert_state", "must_visit"),
        ]
    ]
    t = _who(t, names, heads)
    keys = ["township_code", "village_code", "household_id", "due_on", "alert_title", "raised_on", "evidence", "alert_state"]
    return t.sort_values(keys, ignore_index=True)


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with their numbers on the form."""
    return frame.assign(number=range(1, len(frame) + 1))


def fall_fields() -> tuple[Field, ...]:
    """Columns of 户表."""
    income = (("last_cny", "last_cny"), ("same_last_cny", "household_same_last_cny"), ("same_this_cny", "household_same_this_cny"))
    cny, gaps = text("form_group.household_income"), text("form_group.gaps")
    return (
        field("number", 4.8, "middle"),
        field("village", 7.5, "middle"),
        field("head", 8, "middle"),
        field("pseudonym", 11, "middle"),
        field("kind", 6.8, "middle"),
        field("n_members", 5),
        *(Field(key, text(f"form.{head}"), 8.9, "yuan", cny) for key, head in income),
        Field("projected_cny", text("form.projected_cny"), 8.9, "yuan", cny),
        Field("change_cny", text("form.change_cny"), 8.9, "change", cny),
        Field("change_share", text("form.household_change_share"), 7.5, "share", cny),
        *(field(source, 8.4, "change", group="fall_by_source") for source in SOURCES),
        field("causes_text", 41, "words"),
        Field("gap_target_cny", text("form.household_gap_target_cny"), 9.6, "yuan", gaps),
        Field("gap_line_head_cny", text("form.household_gap_line_cny"), 9.6, "yuan", gaps),
        field("measures_text", 22, "words"),
        field("found_text", 15, "fill", group="verified"),
        field("signed", 8.5, "fill", group="verified"),
    )


def alert_fields() -> tuple[Field, ...]:
    """Columns of 预警户表."""
    return (
        field("number", 5, "middle"),
        field("village", 9, "middle"),
        field("head", 9, "middle"),
        field("pseudonym", 11, "middle"),
        field("alert_title", 24, "words"),
        field("evidence", 50, "words"),
        field("office", 12, "middle"),
        field("raised_on", 11, "day"),
        field("due_on", 11, "day"),
        field("must_visit", 6, "middle"),
        field("alert_state", 13, "middle"),
        field("finding_text", 16, "fill"),
        field("remarks", 14, "fill"),
    )


def write_households(book: Any, facts: Text, place: Place, name: str, rows: pd.DataFrame) -> None:
    """户表, 单项减收户表 or 预警户表: households of one township, with places to fill in."""
    fields = alert_fields() if name == "alerted" else fall_fields()
    sheet = book.add_worksheet(text(f"screening_sheet.{name}").zh)
    pen = FormPen(book, sheet)
    width = set_widths(pen, fields)
    lines = [(facts.zh, "line"), (text("screening.decides").zh, "notice")]
    if rows.empty:
        lines.append((text(f"screening.nobody_{name}").zh, "line"))
    top = write_bands(pen, len(fields) - 1, title=text(f"screening.title_{name}", area=place.name).zh, lines=lines, width=width)
    written: list[dict[Any, Any]] = list(rows.to_dict("records"))
    total = [] if name == "alerted" or rows.empty else [_total(rows, fields)]
    span = write_table(pen, top, fields, written + total)
    if written:
        _offer_findings(sheet, fields, span.head + 1, span.last - len(total))
    last = write_signatures(pen, span.last, len(fields) - 1)
    sheet.freeze_panes(span.head + 1, 4)
    print_set_up(sheet, place, heads=(span.top, span.head), last_row=last, last_column=len(fields) - 1)


def _total(rows: pd.DataFrame, fields: tuple[Field, ...]) -> dict[Any, Any]:
    """Sums of household yuan; what is per head, a share or words has none."""
    summed = [f.key for f in fields if f.shape in ("yuan", "change") and f.key != "gap_line_head_cny"]
    found: dict[Any, Any] = {f.key: "" for f in fields if f.shape != "fill"}
    found |= {key: sum((plain(value) for value in rows[key] if not missing(value)), start=0.0) for key in summed}
    return found | {"village": text("screening.sum_households", n=len(rows)).zh, "mark": "_total"}


def _offer_findings(sheet: Any, fields: tuple[Field, ...], first: int, last: int) -> None:
    """A list to choose from; other words are asked about, not refused: what a visit finds does not always fit a list."""
    at = next(at for at, column in enumerate(fields) if column.key in ("found_text", "finding_text"))
    choices = [text(key).zh for key in FINDINGS]
    rule = {"validate": "list", "source": choices, "error_type": "information", "error_message": " / ".join(choices)}
    sheet.data_validation(first, at, last, at, rule | {"error_title": text("workbook.choose_finding").zh})
