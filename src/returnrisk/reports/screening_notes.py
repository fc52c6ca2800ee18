"""What the columns mean and what the figures do not say; and the county's main figures in English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from returnrisk.reports.cells import LINE_POINTS, lines_needed
from returnrisk.reports.screening_content import Content, of_area, records
from returnrisk.reports.screening_sheets import (
    Field,
    FormPen,
    Place,
    one_line,
    print_set_up,
    set_widths,
    write_bands,
    write_table,
)
from returnrisk.reports.screening_tables import area_rows
from returnrisk.reports.texts import Text, catalogue, either, text
from returnrisk.screening import AlertsSince

Notes = list[tuple[Text, list[Text]]]
_ENGLISH_AREAS = ("n_households", "n_screened", "n_fall", "fall_share", "same_change_share", "n_below_target", "n_below_line", "n_alerts", "n_overdue")  # fmt: skip
_FIRST = 46


def write_notes(book: Any, place: Place, notes: Notes) -> None:
    """Chinese beside English, heading by heading."""
    sheet = book.add_worksheet(text("screening_sheet.notes").zh)
    pen = FormPen(book, sheet)
    sheet.set_column(0, 0, 70)
    sheet.set_column(1, 1, 82)
    pen.band(0, 1, text("screening.title_notes", area=place.name).zh, "title")
    sheet.set_row(0, 32)
    row = 1
    for heading, lines in notes:
        pen.text(row, 0, heading.zh, "heading")
        pen.text(row, 1, heading.en, "heading")
        sheet.set_row(row, 26)
        for note in lines:
            row += 1
            pen.text(row, 0, note.zh, "note")
            pen.text(row, 1, note.en, "note")
            sheet.set_row(row, max(lines_needed(note.zh, 66), lines_needed(note.en, 76)) * LINE_POINTS + 3)
        row += 2
    print_set_up(sheet, place, last_row=row - 2, last_column=1)


def county_notes(content: Content) -> Notes:
    """Notes of the county's workbook."""
    return [
        (text("screening_notes.about"), [*_about(content.steps()), text("screening_notes.veto"), text("screening_notes.sums")]),
        (text("screening_notes.years"), _years(content)),
        (text("screening_notes.columns"), [*_meanings(), *_said("shares", "change", "causes")]),
        (text("screening_notes.data"), [*_alerts(content), *_data(content)]),
    ]


def township_notes(content: Content, *, n_without_name: int) -> Notes:
    """Notes of a township's workbook: nothing of the county's eyes, nothing of channels."""
    own = [*_said("own_fill", "own_alerts", "own_private")]
    if n_without_name:
        own.append(text("screening_notes.no_identity", n=n_without_name))
    days = f"{content.number('alert_due_days'):.0f}"
    return [
        (text("screening_notes.about"), [*_about(content.steps()), text("screening_notes.sums")]),
        (text("screening_notes.own"), own),
        (text("screening_notes.years"), _years(content)),
        (text("screening_notes.columns"), [*_meanings(), *_said("shares", "change", "causes")]),
        (text("screening_notes.data"), [text("screening_notes.alerts", days=days), *_said("must_visit", "categories", "coverage")]),
    ]


def since_notes(found: AlertsSince, *, n_without_name: int) -> Notes:
    """Notes of a township's workbook of alerts that do not wait for the month."""
    own = _said("at_once", "own_alerts", "own_private")
    if n_without_name:
        own.append(text("screening_notes.no_identity", n=n_without_name))
    day = text("screening_notes.day", day=found.day, pack=found.pack)
    return [(text("screening_notes.about"), _about(found.steps)), (text("screening_notes.own"), [*own, *_said("closing"), day])]


def _said(*keys: str) -> list[Text]:
    return [text(f"screening_notes.{key}") for key in keys]


def _about(steps: Sequence[str]) -> list[Text]:
    """What it is, and the county's own steps in their order; a step of which the catalogue knows no English stands as the pack writes it."""
    said = [either(f"identification_step.{step}", otherwise=step) for step in steps]
    zh = text("screening_notes.steps", steps=" → ".join(step.zh for step in said)).zh
    en = text("screening_notes.steps", steps=" → ".join(step.en for step in said)).en
    return [*_said("decides"), Text(zh=zh, en=en), *_said("object", "blame")]


def _years(content: Content) -> list[Text]:
    years = content.screening.income.comparison
    tolerance, target = (f"{content.number(name):.0%}" for name in ("income_change_tolerance", "income_growth_target"))
    spans = {
        "last_start": years.last_start,
        "last_end": years.last_end,
        "this_start": years.this_start,
        "this_end": years.this_end,
        "closed_on": years.closed_on,
    }
    return [
        text("screening_notes.day", day=content.screening.day, pack=content.screening.pack),
        text("screening_notes.income"),
        text("screening_notes.last", **spans),
        *_said("same", "projected"),
        text("screening_notes.verdict", tolerance=tolerance),
        text("screening_notes.target", target=target),
    ]


def _meanings() -> list[Text]:
    """Every explained column: its head and what it counts."""
    found = []
    for key, meaning in catalogue().items():
        section, name = key.split(".")
        if section == "form_meaning":
            head = text(f"form.{name}")
            zh, en = head.zh.replace("\n", ""), head.en.replace("-\n", "").replace("\n", " ")
            found.append(Text(zh=f"{zh}：{meaning.zh}", en=f"{en}: {meaning.en}"))
    return found


def _alerts(content: Content) -> list[Text]:
    found = [text("screening_notes.alerts", days=f"{content.number('alert_due_days'):.0f}"), text("screening_notes.must_visit")]
    if (known := content.screening.alert_yield) is not None:
        for_both = {"known_on": known.known_on, "level": f"{known.level:.0%}"}
        zh = text("screening_notes.yield", label=known.label_zh, months="、".join(known.months), **for_both).zh
        en = text("screening_notes.yield", label=known.label_en, months=", ".join(known.months), **for_both).en
        found.append(Text(zh=zh, en=en))
    return found


def _data(content: Content) -> list[Text]:
    problems = content.screening.input_problems
    aside = {h for h, out in zip(problems["household_id"].to_pylist(), problems["sets_aside"].to_pylist(), strict=True) if out}
    found = _said("categories", "elimination", "coverage")
    if aside:
        found.append(text("screening_notes.set_aside", n=len(aside)))
    if content.rollup.n_unplaced:
        found.append(text("screening_notes.unplaced", n=content.rollup.n_unplaced))
    return found


def write_english(book: Any, content: Content, place: Place) -> None:
    """The county's and its townships' main figures, and the causes, in English; no household, no veto watch."""
    sheet = book.add_worksheet(text("screening_sheet.english").en)
    pen = FormPen(book, sheet)
    fields = [Field("township", text("form.township"), _FIRST, "words")]
    shapes = {"fall_share": "share", "same_change_share": "share"}
    fields += [Field(key, text(f"form.{key}"), 11, shapes.get(key, "count")) for key in _ENGLISH_AREAS]
    width = set_widths(pen, fields)
    lines = [(content.facts().en, "line"), (text("screening.decides").en, "notice")]
    title = text("screening.title_english", area=place.name).zh
    top = write_bands(pen, len(fields) - 1, title=title, lines=lines, width=width)
    rows = [
        row | {"township": one_line(row["area_zh"]) + (", total" if row["mark"] else "")}
        for row in area_rows(content.rollup.areas, villages=False)
    ]
    span = write_table(pen, top, fields, rows, language="en")
    last = _write_english_causes(pen, span.last + 2, content)
    sheet.freeze_panes(span.head + 1, 1)
    print_set_up(sheet, place, heads=(span.top, span.head), last_row=last, last_column=len(fields) - 1)


def _write_english_causes(pen: FormPen, row: int, content: Content) -> int:
    """Causes and rules of the county below one another; the last row."""
    causes = of_area(content.rollup.causes, content.rollup.county_code).sort_values("number")
    lines: Sequence[tuple[str, object, object]] = [
        (f"{each['number']} {each['cause_en']}", each["n_households"], each["share"]) for each in records(causes)
    ]
    for at, head in enumerate((text("form.cause"), text("form.households"), text("form.share"))):
        pen.text(row, at, head.en, "header")
    for words, count, share in lines:
        row += 1
        pen.value(row, 0, words, "words")
        pen.value(row, 1, count, "count")
        pen.value(row, 2, share, "share")
        pen.sheet.set_row(row, lines_needed(words, _FIRST - 1.5) * LINE_POINTS + 3)
    row += 2
    for at, key in enumerate(("rule", "n_not_closed", "n_overdue")):
        pen.text(row, at, text(f"form.{key}").en, "header")
    for each in records(of_area(content.rollup.alerts, content.rollup.county_code)):
        row += 1
        pen.value(row, 0, str(each["title_en"]), "words")
        pen.value(row, 1, each["n_alerts"] - each["n_closed"], "count")
        pen.value(row, 2, each["n_overdue"], "count")
        pen.sheet.set_row(row, lines_needed(str(each["title_en"]), _FIRST - 1.5) * LINE_POINTS + 3)
    return row
