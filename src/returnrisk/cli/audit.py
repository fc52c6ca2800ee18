"""`returnrisk audit leakage`: what a specification would be trained on, looked at for knowledge of its own outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from returnrisk.cli.common import HERE, AsOf, ProjectDir, audit_app, folded_table, project_at
from returnrisk.errors import UsageError

if TYPE_CHECKING:
    from returnrisk.leakage import LeakageAudit

RESULTS = {
    "problem": "有问题 problem",
    "fine": "未发现 fine",
    "cannot_tell": "无法判断 cannot tell",
    "not_applicable": "不适用 not applicable",
}
JsonFile = Annotated[Path, Parameter(name="--json")]


@audit_app.command(name="leakage")
def check_leakage(spec: str, *, project: ProjectDir = HERE, as_of: AsOf | None = None, json_: JsonFile | None = None) -> int:
    """Look for leakage in what a model would be trained on: seven checks, LEAK001 to LEAK007. Exit 3 when one finds a problem.

    Nothing is trained or registered. That nothing is found does not prove that there is nothing.

    Parameters
    ----------
    spec
        A model specification: a .toml file, or the name of one of the project's models/ or of a shipped one.
    json_
        A file to write every answer and every figure to, as JSON.
    """
    if json_ is not None and not json_.parent.is_dir():
        raise UsageError(f"--json names a file in {json_.parent.name}, a folder that does not exist")  # before minutes of work
    with project_at(project, quiet=False) as opened:
        audit = opened.audit_leakage(spec, as_of=as_of)
    if json_ is not None:
        from returnrisk.store.files import write_atomically

        text = json.dumps(_content(audit), ensure_ascii=False, indent=2) + "\n"
        write_atomically(json_, lambda path: path.write_text(text, encoding="utf-8"))
    _print(audit)
    return audit.exit_code


def _content(audit: LeakageAudit) -> dict[str, Any]:
    """Everything that was answered, as JSON holds it: NaN is null, a day is a text."""
    checks, figures = (json.loads(t.to_json(orient="records", double_precision=15)) for t in (audit.frame(), audit.details()))
    return {
        "specification": audit.spec_name,
        "known_on": audit.known_on.isoformat(),
        "days": [day.isoformat() for day in audit.days],
        "problems": [finding.code for finding in audit.problems],
        "settings": audit.settings.as_dict(),
        "checks": checks,
        "figures": figures,
    }


def _print(audit: LeakageAudit) -> None:
    from rich.console import Console

    table = folded_table("检查 check", "结果 result", "何处 what", "数值 measured", title=f"{audit.spec_name} · {audit.known_on}")
    for row in audit.frame().to_dict("records"):
        table.add_row(
            f"{row['code']}\n{row['zh']}\n{row['en']}", RESULTS[row["result"]], row["what"], f"{row['measured']}\n{row['why']}"
        )
    console = Console()
    console.print(table)
    n = len(audit.problems)
    console.print(
        f"{n} 项有问题 / {n} checks found a problem" if n else "未发现泄漏；这不证明没有 / nothing found, which proves nothing more"
    )
