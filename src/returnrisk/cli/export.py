"""`returnrisk export`: lint a layout of the county's existing system, and list what need not be entered again."""

from __future__ import annotations

import json
from pathlib import Path

from returnrisk.cli.common import HERE, AsJson, AsOf, ProjectDir, export_app, project_at, show

SHOWN = ("table_name", "label_zh", "office", "n_on_file", "n_not_named", "share_answered", "entry_zh")
"""What `entry` says rests on both counts, so both are shown."""


@export_app.command(name="check")
def check_export(name: str | None = None, *, project: ProjectDir = HERE, json_: AsJson = False) -> int:
    """Check a layout: every problem with its code, file and key. Exit 3 when one of them keeps it from being used.

    Parameters
    ----------
    name
        A layout of the project's `export/`, or a shipped one; default: all of them.
    """
    from returnrisk.office_export import check_export_mapping, export_mappings

    folder = project / "export"
    found = {n: check_export_mapping(n, folder) for n in ([name] if name else export_mappings(folder))}
    if json_:
        print(json.dumps({n: [str(p) for p in problems] for n, problems in found.items()}, ensure_ascii=False, indent=2))
    else:
        for layout, problems in found.items():
            n_blocking, n_notices = sum(p.blocks for p in problems), sum(not p.blocks for p in problems)
            said = f"{n_blocking} 个问题 problems" if n_blocking else "可用 usable"
            print(f"{layout}: {said}{f'，{n_notices} 处提醒 warnings' if n_notices else ''}")
            for problem in problems:
                print(f"  {problem}")
    return 3 if any(p.blocks for problems in found.values() for p in problems) else 0


@export_app.command(name="fields")
def fields(
    name: str = "national-style", *, as_of: AsOf, project: ProjectDir = HERE, out: Path | None = None, json_: AsJson = False
) -> None:
    """What need not be entered again (不重复填表): each column of a layout and field of a form, and for how many households it is on file.

    Parameters
    ----------
    name
        The layout.
    out
        Write the whole list as csv.
    """
    with project_at(project, quiet=json_) as opened:
        listed = opened.fields_on_file(as_of=as_of, export=name)
    if out is not None:
        listed.to_csv(out, index=False, encoding="utf-8-sig", lineterminator="\n")
    form = listed[listed["part"] == "form"]
    counts = form.groupby("entry").size().to_dict()
    show(
        {"as_of": as_of, "layout": name, "fields": counts, "out": out and out.as_posix()},
        as_json=json_,
        table=listed if json_ else form[list(SHOWN)],
    )
