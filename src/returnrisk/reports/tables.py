"""The report's tables: frames in, words and formatted numbers out; nothing is computed here but a share of a sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from returnrisk.reports import numbers
from returnrisk.reports.content import ReportContent
from returnrisk.reports.texts import Text, either, text

LIFT_SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
POPULATION_METRICS = ("auc", "average_precision", "precision_at_capacity", "recall_at_capacity")
SAME_SHARE = 1e-9  # shares are hundredths written as floats


@dataclass(frozen=True, slots=True)
class Cell:
    """Words or a number, with an explanation under it if there is one."""

    words: Text | str
    under: Text | str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Cells, the first of which names the row; `mark` is "", "missing" or "total"."""

    cells: tuple[Cell, ...]
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, column heads, rows, notes under it."""

    caption: Text
    heads: tuple[Text, ...]
    rows: tuple[Row, ...]
    notes: tuple[Text, ...] = ()


def tables(frames: Mapping[str, pd.DataFrame], content: ReportContent) -> dict[str, Table]:
    """Every table of the report by its name."""
    return {
        "strata": strata(frames["strata"]),
        "make_up": make_up(frames["make_up"]),
        "metrics": metrics(frames["metrics"], content),
        "populations": populations(frames["populations"]),
        "differences": differences(frames["differences"]),
        "calibration": calibration(frames["calibration_curve"]),
        "lift": lift(frames["lift_curve"], capacity=content.capacity),
        "coverage": coverage(frames["coverage"]),
        **({"reached": reached(frames["reached"], content)} if "reached" in frames else {}),
        **({} if content.fairness is None else {"fairness": fairness(frames["fairness"], content.fairness, level=content.level)}),
        **({"drift": drift(frames["drift"], content)} if "drift" in frames else {}),
    }


def _heads(*keys: str) -> tuple[Text, ...]:
    return tuple(text(f"head.{key}") for key in keys)


def _row(*cells: Text | str, mark: str = "") -> Row:
    return Row(tuple(Cell(words) for words in cells), mark)


def score_words(score: str) -> Text:
    """Name of a score in both languages."""
    return either(f"score.{score}", otherwise=score)


def strata(published: pd.DataFrame) -> Table:
    """Households by stratum with expected falls."""
    total = sum(int(row["households_low"] + row["households_high"]) for row in published.to_dict("records")) / 2
    rows = []
    for row in published.to_dict("records"):
        low, high = int(row["households_low"]), int(row["households_high"])
        middle = (low + high) / 2 / total if total else float("nan")
        cells = (numbers.span(low, high), numbers.share(middle), numbers.count(row["expected_falls"]))
        rows.append(_row(either(f"stratum.{row['stratum']}", otherwise=row["stratum"]), *cells))
    return Table(text("table.strata"), _heads("stratum", "households", "share", "expected_falls"), tuple(rows))


def make_up(published: pd.DataFrame) -> Table:
    """One row per township, then per county."""
    by_lot = ("random",) if (published["random"] > 0).any() else ()
    plain = (*by_lot, "not_computable_listed", "left_out", "monitored", "over_capacity", "ties_at_cut")
    rows = []
    for area in published.to_dict("records"):
        reach = area["expected_falls_listed"] / area["expected_falls"] if area["expected_falls"] else float("nan")
        name = str(area["area_name"]) or str(area["area_code"])
        must = numbers.span(area["must_visit_low"], area["must_visit_high"])
        model = numbers.span(area["model_low"], area["model_high"])
        counts = [numbers.count(area[column]) for column in plain]
        is_county = area["level"] == "county"
        label: Text | str = Text(zh=f"{name} {text('status.total').zh}", en=text("status.total").en) if is_county else name
        cells = (
            numbers.count(area["capacity"]),
            numbers.count(area["listed"]),
            must,
            model,
            *counts,
            numbers.share(reach, places=0),
        )
        rows.append(_row(label, *cells, mark="total" if is_county else ""))
    heads = _heads("area", "capacity", "listed", "must_visit", "model", *plain, "reach")
    return Table(text("table.make_up"), heads, tuple(rows), (text("table.small"),))


def metrics(frame: pd.DataFrame, content: ReportContent) -> Table:
    """One row per metric, one column per score, and what every figure rests on."""
    scores = list(dict.fromkeys(frame["score"]))
    rows = []
    for name, here in frame.groupby("metric", sort=False):
        label = Cell(either(f"metric.{name}", otherwise=str(name)), either(f"metric_meaning.{name}", otherwise=""))
        of_score = {row["score"]: row for row in here.to_dict("records")}
        values = [_measured(of_score[score]) if score in of_score else Cell(numbers.MISSING) for score in scores]
        rows.append(Row((label, *values, *(Cell(words) for words in _ground(here.iloc[0])))))
    heads = (text("head.metric"), *(score_words(score) for score in scores), *_heads("n", "n_events", "base_rate", "n_clusters"))
    at_list = "precision_at_capacity" in set(frame["metric"])
    note = (
        text("table.capacity_list")
        if content.capacity is None
        else text("table.capacity", capacity=numbers.share(content.capacity, places=0))
    )
    notes = (note,) if at_list else ()
    return Table(text("table.metrics", level=numbers.share(content.level, places=0)), heads, tuple(rows), notes)


def populations(frame: pd.DataFrame) -> Table:
    """Ranking and list of entries and relapses apart, one row per population and metric."""
    scores = list(dict.fromkeys(frame["score"]))
    shown = frame[frame["metric"].isin(POPULATION_METRICS)]
    rows = []
    for (population, name), here in shown.groupby(["population", "metric"], sort=False):
        of_score = {row["score"]: row for row in here.to_dict("records")}
        label = Cell(either(f"population.{population}", otherwise=str(population)), either(f"metric.{name}", otherwise=str(name)))
        values = [_measured(of_score[score]) if score in of_score else Cell(numbers.MISSING) for score in scores]
        rows.append(Row((label, *values, *(Cell(words) for words in _ground(here.iloc[0])))))
    heads = (
        text("head.population"),
        *(score_words(score) for score in scores),
        *_heads("n", "n_events", "base_rate", "n_clusters"),
    )
    return Table(text("table.populations"), heads, tuple(rows), (text("table.populations_note"),))


def reached(frame: pd.DataFrame, content: ReportContent) -> Table:
    """Falls that each score's lists named in time, and those they missed; one row per score."""
    rows = []
    for row in frame.to_dict("records"):
        shares = [
            _share(row["reached"], row["reached_low"], row["reached_high"]),
            _share(row["missed"], row["missed_low"], row["missed_high"]),
        ]
        apart = numbers.difference("recall_at_capacity", row["difference"], row["difference_low"], row["difference_high"])
        better = apart if row["difference"] == row["difference"] else numbers.MISSING
        counts = (numbers.count(row["n_named"]), f"{row['reached_per_100']:.1f}")
        rows.append(Row((Cell(score_words(row["score"])), *shares, *(Cell(words) for words in (better, *counts)))))
    first = frame.iloc[0]
    facts = {"falls": numbers.count(first["n_falls"]), "lists": numbers.count(first["n_lists"]), "days": int(first["lead_days"])}
    note = text("table.reached_note", evaluated_from=str(content.evaluated_from), months=content.horizon_months, **facts)
    heads = _heads("score", "reached", "missed", "model_less", "n_named", "reached_per_100")
    return Table(text("table.reached"), heads, tuple(rows), (note,))


def fairness(published: pd.DataFrame, whole: pd.DataFrame, *, level: float) -> Table:
    """Share of falls on the list, group by group, with the difference from all others and whether it stands; a group per row, everyone first.

    Of `whole`, the unpublished table with the intersections, only the numbers of comparisons are said.
    """
    rows = []
    for row in published.to_dict("records"):
        households, fallen = (text("fairness.households", n=numbers.count(row[c])) for c in ("n_households", "n_fallen"))
        apart = [row[f"recall_difference{end}"] for end in ("", "_low", "_high")]
        everyone = row["grouping"] == "all"
        cells = (
            Cell(Text(zh=row["zh"], en=row["en"])),
            Cell(numbers.count(row["n"]), households),
            Cell(numbers.count(row["n_events"]), fallen),
            _share(row["recall"], row["recall_low"], row["recall_high"]) if row["status"] == "measured" else Cell(numbers.MISSING),
            Cell(numbers.MISSING if pd.isna(apart[0]) else numbers.difference("recall_at_capacity", *apart)),
            Cell(numbers.MISSING if everyone else text(f"fairness.{_verdict(row)}")),
        )
        rows.append(Row(cells, "total" if everyone else ""))
    compared = whole[whole["p_adjusted"].notna()]
    crossed = compared["grouping_2"] != ""
    n = {"groups": (~crossed).sum(), "pairs": crossed.sum(), "stand": (compared["claimed"] & crossed).sum()}
    notes = (text("table.fairness_note", level=numbers.share(1 - level, places=0), **n), text("table.fairness_limits"))
    return Table(text("table.fairness"), _heads("group", "n", "n_events", "on_list", "difference", "stands"), tuple(rows), notes)


def _verdict(row: Mapping[Any, Any]) -> str:
    """What is said of a group: missed more, nothing shown, or why nothing can be said."""
    if row["status"] != "measured":
        return str(row["status"])
    if pd.isna(row["recall_difference"]):
        return "whole"
    return "stands" if row["claimed"] else "unclear"


def _share(value: float, low: float, high: float) -> Cell:
    return Cell(numbers.share(value), f"{numbers.share(low)} – {numbers.share(high)}")


def _measured(row: Mapping[Any, Any]) -> Cell:
    interval = numbers.interval(row["metric"], row["low"], row["high"])
    return Cell(numbers.metric(row["metric"], row["value"]), interval or None)


def _ground(row: Mapping[Any, Any] | pd.Series) -> tuple[str, str, str, str]:
    """What an accuracy is never shown without: n, events, base rate, villages."""
    return (
        numbers.count(row["n"]),
        numbers.count(row["n_events"]),
        numbers.share(row["base_rate"], places=2),
        numbers.count(row["n_clusters"]),
    )


def differences(frame: pd.DataFrame) -> Table:
    """How much better each score is than its baseline, metric by metric."""
    rows = []
    for row in frame.to_dict("records"):
        value = numbers.difference(row["metric"], row["difference"], row["low"], row["high"])
        versus = Text(
            zh=f"{score_words(row['score']).zh} − {score_words(row['baseline']).zh}",
            en=f"{score_words(row['score']).en} − {score_words(row['baseline']).en}",
        )
        rows.append(_row(versus, either(f"metric.{row['metric']}", otherwise=row["metric"]), value, *_ground(row)))
    heads = _heads("score", "metric", "difference", "n", "n_events", "base_rate", "n_clusters")
    return Table(text("table.differences"), heads, tuple(rows))


def calibration(curve: pd.DataFrame) -> Table:
    """The drawing's figures."""
    rows = []
    for row in curve.to_dict("records"):
        observed = f"{numbers.share(row['observed'])} ({numbers.share(row['low'])}–{numbers.share(row['high'])})"
        cells = (str(row["bin"]), numbers.share(row["mean_predicted"], places=2), observed, numbers.count(row["n"]))
        rows.append(_row(score_words(row["score"]), *cells))
    return Table(text("table.calibration"), _heads("score", "bin", "predicted", "observed", "per_bin"), tuple(rows))


def lift(curve: pd.DataFrame, *, capacity: float | None) -> Table:
    """What lists of a few lengths find, recall and precision of each score; the drawing shows all lengths."""
    wanted = sorted({*LIFT_SHARES, *([] if capacity is None else [capacity])})
    scores = list(dict.fromkeys(curve["score"]))
    rows = []
    for share in wanted:
        here = curve.loc[(curve["share"] - share).abs() < SAME_SHARE].set_index("score")
        if len(here) == len(scores):
            found = here.loc[scores].to_dict("records")
            cells = (f"{numbers.share(row['recall'])} / {numbers.share(row['precision'])}" for row in found)
            rows.append(_row(numbers.share(share, places=0), *cells))
    heads = (text("head.visited"), *(_recall_and_precision(score) for score in scores))
    return Table(text("table.lift"), heads, tuple(rows))


def _recall_and_precision(score: str) -> Text:
    name, recall, precision = score_words(score), text("head.recall"), text("head.precision")
    return Text(zh=f"{name.zh}：{recall.zh} / {precision.zh}", en=f"{name.en}: {recall.en} / {precision.en}")


def not_delivered(row: Mapping[Any, Any]) -> bool:
    """Whether a table of the contracts never arrived."""
    return bool(pd.isna(row["n_files"])) or row["n_files"] == 0


def coverage(frame: pd.DataFrame) -> Table:
    """What arrived, table by table, and what became of every input row; a missing table is said to be missing."""
    counts = ("n_files", "n_input", "n_accepted", "n_duplicate", "n_quarantined", "n_rows")
    rows = []
    for row in frame.to_dict("records"):
        name = Text(zh=str(row["zh"]), en=str(row["table_name"]))
        if not_delivered(row):
            rows.append(_row(name, *[numbers.MISSING] * (len(counts) + 1), text("status.not_delivered"), mark="missing"))
            continue
        first, last = numbers.month(row["first_period"]), numbers.month(row["last_period"])
        period = first if first == last else f"{first} – {last}"
        rows.append(
            _row(name, *(numbers.count(row[column]) for column in counts), period, numbers.share(row["delivered_share"], places=0))
        )
    return Table(text("table.coverage"), _heads("table", *counts, "period", "delivered_share"), tuple(rows))


def drift(frame: pd.DataFrame, content: ReportContent) -> Table:
    """One row per check of the month; whether there was an alarm is said under it."""
    rows = []
    for row in frame.to_dict("records"):
        said = Text(row["said_zh"], row["said_en"]) if row["said_zh"] else text("drift.fine")
        name = Text(f"{row['code']} {row['zh']}", f"{row['code']} {row['en']}")
        counts = (numbers.count(row[column]) for column in ("n_checked", "n_alarms", "n_cannot_tell"))
        rows.append(_row(name, *counts, said, mark="missing" if row["n_alarms"] else ""))
    heads = tuple(text(f"drift.head_{name}") for name in ("check", "checked", "alarms", "cannot_tell", "said"))
    days = (text("drift.caption_days", days=", ".join(map(str, content.drift_days))),) if content.drift_days else ()
    clean = () if frame["n_alarms"].any() else (text("drift.clean"),)
    return Table(text("drift.caption"), heads, tuple(rows), (*clean, *days))
