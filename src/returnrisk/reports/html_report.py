"""One html page that opens without a network and shows no household: summary, list, accuracy, data, limits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from returnrisk.reports.charts import javascript, specifications
from returnrisk.reports.content import ReportContent, publishable
from returnrisk.reports.summary import accuracy, cards, sentences
from returnrisk.reports.tables import tables
from returnrisk.reports.texts import meaning_of_probability, text
from returnrisk.store.files import write_atomically
from returnrisk.visits.saving import write_table

SECTIONS = ("summary", "list", "accuracy", "coverage", "limits")
LIMITS = ("clue", "treated", "verified", "missing", "past", "errors", "blame")


def render(content: ReportContent, path: Path) -> Path:
    """Write the report to `path` and the frames behind its tables and drawings to `report_data/` beside it.

    Parameters
    ----------
    content
        Facts and frames; checked here.
    path
        The html file to be; its folder is made if need be.

    Returns
    -------
    Path
        `path`. The same content gives the same bytes, in whatever order the frames' rows come. Every figure on the page comes
        from `report_data/<frame>.parquet`; counts of 1 to 4 households below the line are ranges there too.

    Raises
    ------
    ContractViolation
        A frame lacks columns, repeats its grain, holds single households, or has counts that do not add up.
    OSError
        The folder cannot be written or the disk is full; an older report stays as it was.

    Examples
    --------
    >>> render(ReportContent(area="示例县", metrics=None), Path("report.html"))
    Traceback (most recent call last):
    TypeError: ReportContent.__init__() missing 15 required positional arguments: ...
    """
    import pyarrow as pa

    frames = publishable(content)
    for name, frame in frames.items():
        write_table(pa.Table.from_pandas(frame, preserve_index=False), path.parent / "report_data" / f"{name}.parquet")
    page = page_text(content, frames)
    return write_atomically(path, lambda p: p.write_text(page, encoding="utf-8", newline="\n"))


def page_text(content: ReportContent, frames: dict[str, pd.DataFrame]) -> str:
    """The whole page; everything it shows that comes from data is escaped."""
    import jinja2
    from markupsafe import Markup

    loader = jinja2.PackageLoader("returnrisk.reports", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["text"] = text
    drawings = {name: Markup(json) for name, json in specifications(frames, capacity=content.capacity).items()}  # noqa: S704 (our own JSON, "<" escaped)
    return environment.get_template("report.html.j2").render(
        content=content,
        facts=text("report.facts", area=content.area, as_of=content.as_of, model_version=content.model_version),
        sections=SECTIONS,
        cards=cards(frames, content),
        sentences=sentences(frames, content),
        accuracy=accuracy(frames, content),
        tables=tables(frames, content),
        drawings=drawings,
        limits=[
            meaning_of_probability(as_of=content.as_of, horizon_months=content.horizon_months, at_end=content.at_end),
            text(f"estimand.{content.estimand}"),
            *((text("estimand.untreated_figures"),) if content.estimand == "untreated" else ()),
            *(text(f"limits.{name}") for name in LIMITS),
        ],
        javascript=Markup(javascript()),  # noqa: S704 (the bundled drawing library)
    )


__all__ = ["ReportContent", "page_text", "render"]
