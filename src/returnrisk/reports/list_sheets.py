"""The sheets of a township's workbook: the printed list, the same in English without identities, the notes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from returnrisk.config import Estimand
from returnrisk.reports.cells import LINE_POINTS, Column, Pen, lines_needed
from returnrisk.reports.texts import Text, meaning_of_probability, text
from returnrisk.visits.spec import MUST_VISIT_TIER, Tier

FINDINGS = ("finding.true", "finding.untrue", "finding.solved", "finding.absent", "finding.again")
_A4 = 9


LIST_COLUMNS = (
    Column("number", 4.6, centred=True),
    Column("village", 9),
    Column("head", 9),
    Column("phone", 13.5),
    Column("address", 15),
    Column("code", 10, centred=True),
    Column("kind", 7.4, centred=True),
    Column("tier", 7.4, centred=True),
    Column("risk", 8.6, centred=True),
    Column("reasons", 54),
    Column("verify", 29),
    Column("visited_on", 10.4, centred=True),
    Column("finding", 9.6, centred=True),
    Column("remarks", 11),
)
FOLLOW_UP_COLUMNS = (
    Column("village", 10),
    Column("head", 10),
    Column("phone", 14),
    Column("address", 24),
    Column("code", 17, centred=True),
    Column("follow_up", 20, centred=True),
    Column("on_list", 14, centred=True),
)
ENGLISH_COLUMNS = (
    Column("number", 5, centred=True),
    Column("village", 10),
    Column("code", 17, centred=True),
    Column("kind", 12, centred=True),
    Column("tier", 12, centred=True),
    Column("risk", 11, centred=True),
    Column("reasons", 70),
    Column("verify", 45),
)


@dataclass(frozen=True, slots=True, eq=False)
class TownshipList:
    """What one workbook is made from: the township's rows with identity columns, and the facts its notes state."""

    rows: pd.DataFrame
    township: str
    as_of: dt.date
    model_version: str
    tiers: tuple[Tier, ...]
    horizon_months: int
    at_end: bool
    n_without_identity: int
    area: dict[Any, Any] | None
    estimand: Estimand = "observed"
    follow_up: pd.DataFrame | None = None
    drift: Text | None = None


def write_list(book: Any, content: TownshipList) -> None:
    """Write the sheet a township prints: Chinese, with identities, places to fill in, and lines to sign."""
    sheet = book.add_worksheet(text("workbook.sheet_list").zh)
    pen, last = Pen(book, sheet), len(LIST_COLUMNS) - 1
    kinds = {kind: int((content.rows["kind"] == kind).sum()) for kind in ("must_visit", "model", "random")}
    facts = {"as_of": content.as_of, "listed": len(content.rows), **kinds, "model_version": content.model_version}
    subtitle = "workbook.subtitle_lot" if kinds["random"] else "workbook.subtitle"
    bands = [
        (text("workbook.title", township=content.township).zh, "title", 32),
        (text(subtitle, **facts).zh, "line", 20),
        (text("decides.nothing").zh + text("decides.rights").zh, "notice", 36),
        *([(content.drift.zh, "notice", 36)] if content.drift else []),
        (text("workbook.legend").zh, "small", 18),
    ]
    for row, (words, shape, height) in enumerate(bands):
        pen.band(row, last, words, shape)
        sheet.set_row(row, height)
    header = len(bands)
    _write_header(pen, header, LIST_COLUMNS, language="zh")
    tiers = _tier_words(content, "zh")
    for offset, household in enumerate(content.rows.to_dict("records"), start=1):
        _write_household(pen, header + offset, household, tiers)
    end = header + len(content.rows)
    pen.band(end + 2, last, text("workbook.signatures").zh, "line")
    sheet.set_row(end + 2, 34)
    _ask_for_findings(sheet, header + 1, end, content)
    sheet.freeze_panes(header + 1, 3)
    _print_set_up(sheet, content, header=header, last_row=end + 2, last_column=last)


def write_follow_up(book: Any, content: TownshipList) -> None:
    """Write who is followed because of help, whatever the risk: Chinese, with identities, without any probability."""
    if content.follow_up is None or content.follow_up.empty:
        return
    sheet = book.add_worksheet(text("workbook.sheet_follow_up").zh)
    pen, last = Pen(book, sheet), len(FOLLOW_UP_COLUMNS) - 1
    pen.band(0, last, text("workbook.follow_up_title", township=content.township, as_of=content.as_of).zh, "line")
    _write_header(pen, 1, FOLLOW_UP_COLUMNS, language="zh")
    for row, household in enumerate(content.follow_up.to_dict("records"), start=2):
        on_list = text("workbook.on_list" if household["on_list"] else "workbook.not_on_list").zh
        words = [
            household["village_name"],
            household["head_name"],
            household["phone"],
            household["address"],
            household["pseudonym"],
        ]
        for at, word in enumerate([*words, household["reason_zh"], on_list]):
            pen.text(row, at, str(word), "centred" if FOLLOW_UP_COLUMNS[at].centred else "cell")
    sheet.freeze_panes(2, 2)
    _print_set_up(sheet, content, header=1, last_row=1 + len(content.follow_up), last_column=last)


def _write_header(pen: Pen, row: int, columns: Sequence[Column], *, language: str) -> None:
    for at, column in enumerate(columns):
        pen.sheet.set_column(at, at, column.width)
        pen.text(row, at, getattr(text(f"column.{column.key}"), language), "header")
    pen.sheet.set_row(row, 2 * LINE_POINTS + 6)


def _write_household(pen: Pen, row: int, household: dict[Any, Any], tiers: dict[str, str]) -> None:
    """One household; the row is as high as its longest text and leaves room for handwriting."""
    words = {
        "village": str(household["village_name"]),
        "head": household["head_name"],
        "phone": household["phone"],
        "address": household["address"],
        "code": household["pseudonym"],
        "kind": _kind(household).zh,
        "tier": tiers.get(household["tier"], household["tier"]),
        "reasons": _reasons(household, "zh"),
        "verify": str(household["verify_zh"]),
    }
    must = household["kind"] == "must_visit"
    for at, column in enumerate(LIST_COLUMNS):
        if column.key == "number":
            pen.number(row, at, int(household["rank"]), "centred")
        elif column.key == "risk":
            _write_risk(pen, row, at, household)
        elif column.key in words:
            shape = "must" if must and column.key in ("kind", "tier") else "centred" if column.centred else "cell"
            pen.text(row, at, words[column.key], shape)
        else:
            pen.blank(row, at, "date" if column.key == "visited_on" else "cell")
    pen.sheet.set_row(row, _height(words, LIST_COLUMNS))


def _write_risk(pen: Pen, row: int, at: int, household: dict[Any, Any]) -> None:
    if household["kind"] == "must_visit":  # fallen already: a probability of falling would mislead
        pen.text(row, at, text("workbook.no_probability").zh, "centred")
    else:
        pen.number(row, at, float(household["risk"]), "percent")


def _height(words: dict[str, str], columns: Sequence[Column]) -> float:
    tallest = max(
        lines_needed(words[column.key], column.width - (0 if column.centred else 1.5)) for column in columns if column.key in words
    )
    return min(max(tallest, 3) * LINE_POINTS + 5, 409.0)


def _kind(household: dict[Any, Any]) -> Text:
    if household["kind"] == "must_visit":
        return text("kind.must_visit")
    if household["kind"] == "random":
        return text("kind.random")
    return text("kind.model") if household["computable"] else text("kind.model_incomplete")


def _tier_words(content: TownshipList, language: str) -> dict[str, str]:
    return {tier.name: getattr(tier, language) for tier in (*content.tiers, MUST_VISIT_TIER)}


def _reasons(household: dict[Any, Any], language: str) -> str:
    """Numbered reasons, one below the other."""
    found = []
    position = 1
    while (key := f"reason_{position}_{language}") in household:
        if isinstance(household[key], str) and household[key].strip():
            found.append(f"{position}. {household[key].strip()}")
        position += 1
    return "\n".join(found)


def _ask_for_findings(sheet: Any, first: int, last: int, content: TownshipList) -> None:
    keys = [column.key for column in LIST_COLUMNS]
    finding, visited_on = keys.index("finding"), keys.index("visited_on")
    choose, date = text("workbook.choose_finding"), text("workbook.choose_date")
    choices = [text(key).zh for key in FINDINGS]
    sheet.data_validation(
        *(first, finding, last, finding),
        {"validate": "list", "source": choices, "error_title": choose.zh, "error_message": " / ".join(choices)},
    )
    # A warning, not a refusal: a visit on the day before the list was printed is still a visit.
    rule = {"validate": "date", "criteria": ">=", "value": content.as_of, "error_type": "warning"}
    sheet.data_validation(first, visited_on, last, visited_on, rule | {"error_title": date.zh, "error_message": date.en})


def _print_set_up(sheet: Any, content: TownshipList, *, header: int | None, last_row: int, last_column: int) -> None:
    """A4 landscape, one page wide; header rows on every page, or everything on one page when there is no header."""
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.set_margins(left=0.35, right=0.35, top=0.4, bottom=0.6)
    sheet.fit_to_pages(1, int(header is None))
    if header is not None:
        sheet.repeat_rows(header)
    sheet.print_area(0, 0, last_row, last_column)
    sheet.center_horizontally()
    left = text("workbook.footer", township=content.township, as_of=content.as_of).zh.replace("&", "&&")
    page = text("workbook.page", page="&P", pages="&N").zh
    sheet.set_footer(f"&L&9{left}&C&9{page}&R&9{text('workbook.footer_private').zh}", {"margin": 0.3})


def write_english(book: Any, content: TownshipList) -> None:
    """Write the same households in English, in the same order, without any identity column."""
    sheet = book.add_worksheet(text("workbook.sheet_english").en)
    pen, last = Pen(book, sheet), len(ENGLISH_COLUMNS) - 1
    pen.band(0, last, text("workbook.title", township=content.township).en + f", {content.as_of}", "title")
    drift = f" {content.drift.en}" if content.drift else ""
    pen.band(1, last, f"{text('decides.nothing').en} {text('decides.rights').en}{drift}", "notice")
    sheet.set_row(0, 32)
    sheet.set_row(1, 72 if content.drift else 36)
    _write_header(pen, 2, ENGLISH_COLUMNS, language="en")
    tiers = _tier_words(content, "en")
    for row, household in enumerate(content.rows.to_dict("records"), start=3):
        words = {
            "village": str(household["village_name"]),
            "code": household["pseudonym"],
            "kind": _kind(household).en,
            "tier": tiers.get(household["tier"], household["tier"]),
            "reasons": _reasons(household, "en"),
            "verify": str(household["verify_en"]),
        }
        pen.number(row, 0, int(household["rank"]), "centred")
        for at, column in enumerate(ENGLISH_COLUMNS):
            if column.key in words:
                pen.text(row, at, words[column.key], "centred" if column.centred else "cell")
            elif column.key == "risk":
                _write_risk(pen, row, at, household)
        sheet.set_row(row, _height(words, ENGLISH_COLUMNS))
    sheet.freeze_panes(3, 3)
    _print_set_up(sheet, content, header=2, last_row=2 + len(content.rows), last_column=last)


def write_notes(book: Any, content: TownshipList) -> None:
    """Write what the words, tiers and probabilities mean, and where they come from, Chinese beside English."""
    sheet = book.add_worksheet(text("workbook.sheet_notes").zh)
    pen = Pen(book, sheet)
    sheet.set_column(0, 0, 62)
    sheet.set_column(1, 1, 72)
    row = 0
    for heading, notes in _notes(content):
        pen.text(row, 0, heading.zh, "heading")
        pen.text(row, 1, heading.en, "heading")
        sheet.set_row(row, 26)
        for note in notes:
            row += 1
            pen.text(row, 0, note.zh, "note")
            pen.text(row, 1, note.en, "note")
            sheet.set_row(row, max(lines_needed(note.zh, 60), lines_needed(note.en, 70)) * LINE_POINTS + 4)
        row += 2
    _print_set_up(sheet, content, header=None, last_row=row, last_column=1)


def _notes(content: TownshipList) -> list[tuple[Text, list[Text]]]:
    meaning = meaning_of_probability(as_of=content.as_of, horizon_months=content.horizon_months, at_end=content.at_end)
    origin = [text("notes.as_of", as_of=content.as_of), text("notes.model_version", model_version=content.model_version)]
    about = [text(f"decides.{name}") for name in ("nothing", "rights", "clue", "failure", "private")]
    words = [
        meaning,
        text(f"estimand.{content.estimand}"),
        *(text(f"kind.{name}") for name in ("must_visit_meaning", "model_meaning", "random_meaning", "incomplete_meaning")),
    ]
    findings = [text(f"notes.finding_{key.removeprefix('finding.')}") for key in FINDINGS]
    return [
        (text("notes.about"), about),
        (text("notes.words"), words),
        (text("notes.tiers"), _tier_notes(content)),
        (text("notes.findings"), findings),
        (text("notes.origin"), [*origin, *([content.drift] if content.drift else []), *_area_notes(content)]),
    ]


def _tier_notes(content: TownshipList) -> list[Text]:
    found = []
    for tier in content.tiers:
        key = "kind.tier_from" if tier.from_risk > 0 or len(content.tiers) == 1 else "kind.tier_lowest"
        share = f"{tier.from_risk:.1%}"
        found.append(Text(zh=text(key, name=tier.zh, from_risk=share).zh, en=text(key, name=tier.en, from_risk=share).en))
    return [*found, text("kind.tier_assumed")]


def _count(value: Any) -> int:
    """A count that may be missing."""
    return 0 if value is None or value != value else int(value)  # noqa: PLR0124 (NaN)


def _area_notes(content: TownshipList) -> list[Text]:
    """What the township's own row of the make-up says; only its own."""
    found = []
    if content.area is not None:
        numbers = {name: int(content.area[name]) for name in ("capacity", "listed", "left_out", "monitored")}
        found.append(text("notes.township", township=content.township, **numbers))
        if (n := _count(content.area.get("follow_up"))) > 0:
            found.append(text("notes.follow_up", n=n, missed=_count(content.area["follow_up_not_listed"])))
        for name, key in (("over_capacity", "notes.over_capacity"), ("ties_at_cut", "notes.ties")):
            if (n := int(content.area[name])) > 0:
                found.append(text(key, n=n))
    if content.n_without_identity:
        found.append(text("workbook.no_identity", n=content.n_without_identity))
    return found
