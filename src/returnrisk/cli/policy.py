"""The rules as data: what a county's pack says on a day and where each value comes from, and whether a pack can be used."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from returnrisk.cli.common import HERE, AsJson, ProjectDir, folded_table, policy_app
from returnrisk.errors import PolicyError, PolicyNameError, UnknownNameError
from returnrisk.policy import UNITS, AlertRule, Policy, load_policy, policy_names, read_policy, value_text

if TYPE_CHECKING:
    from rich.table import Table

    from returnrisk.policy.model import Pack

OnDay = Annotated[dt.date, Parameter(name="--as-of", help="日期 YYYY-MM-DD。The day whose rules are shown.")]
KINDS = {"rule": "规定 rule", "assumed": "假定 assumed", None: "未生效 not in force"}


@policy_app.command(name="show")
def show_policy(
    *, as_of: OnDay, project: ProjectDir = HERE, pack: str | None = None, explain: str | None = None, json_: AsJson = False
) -> None:
    """The rules in force on a day, each with the pack and document it comes from.

    Parameters
    ----------
    pack
        Another pack than the project's; a shipped one needs no project.
    explain
        Only this parameter, with every step that led to its value.
    """
    policy = _policy(project, pack)
    if explain is not None:
        _explain(policy, explain, as_of, as_json=json_)
        return
    frame = policy.frame(as_of)
    rules = policy.alert_rules(as_of, every=True)
    in_force = {rule.name for rule in policy.alert_rules(as_of)}
    if json_:
        alerts = [_alert_record(rule, on=rule.name in in_force) for rule in rules]
        chain = [p.name for p in policy.packs]
        areas = {p.name: p.areas for p in policy.packs}
        _print_json(
            {
                "pack": policy.name,
                "chain": chain,
                "areas": areas,
                "as_of": as_of,
                "table": frame.to_dict("records"),
                "alerts": alerts,
            }
        )
        return
    from rich.console import Console

    console = Console()
    console.print(f"{policy.packs[0].title_zh} {policy.packs[0].title_en} · {' → '.join(p.name for p in policy.packs)} · {as_of}")
    console.print(" · ".join(f"{p.name}: {_areas_text(p)}" for p in policy.packs))
    console.print(_parameter_table(frame.to_dict("records")))
    console.print(_alert_table(rules, in_force))


@policy_app.command(name="check")
def check_policy(pack: str | None = None, *, project: ProjectDir = HERE, json_: AsJson = False) -> int:
    """Check a pack with everything it inherits: every problem with its code, pack and key. Exit 3 when there is one.

    Parameters
    ----------
    pack
        Name of a pack, or its file; default: the project's pack and all that lie in its `policy/`.
    """
    folder, names = _to_check(project, pack)
    records = [_checked(name, folder) for name in names]
    problems = [problem for record in records for problem in record["problems"]]
    if json_:
        _print_json({"packs": records, "problems": len(problems)})
    else:
        for record in records:
            print(f"{record['pack']}: {record['says']}")
            for problem in record["problems"]:
                print(f"  {problem}")
    return 3 if problems else 0


def _policy(project: Path, pack: str | None) -> Policy:
    """The named pack, else the project's; a project's own packs come first."""
    if pack is not None:
        return load_policy(pack, project / "policy")
    return load_policy(_project_pack(project), project / "policy")


def _project_pack(project: Path) -> str:
    from returnrisk.config import load_project_config

    return load_project_config(project / "returnrisk.toml").policy.pack


def _to_check(project: Path, pack: str | None) -> tuple[Path, list[str]]:
    """Folder of a county's own packs, and the names to check."""
    if pack is None:
        folder = project / "policy"
        return folder, sorted({_project_pack(project), *(path.stem for path in folder.glob("*.yaml"))})
    if pack.endswith(".yaml"):
        path = Path(pack)
        folder, name = path.parent, path.stem
        known = [p.stem for p in folder.glob("*.yaml")]
    else:
        folder, name = project / "policy", pack
        known = policy_names(folder)
    if name not in known:
        raise PolicyNameError(f"POL003 {name}: {UnknownNameError('policy pack', name, known)}", codes=("POL003",))
    return folder, [name]


def _checked(name: str, folder: Path) -> dict[str, Any]:
    """What was found of one pack: its problems, or how much it holds."""
    try:
        policy, found = read_policy(name, folder)
    except PolicyError as error:
        return {"pack": name, "says": "不可用 cannot be used", "problems": [str(error)]}
    if found:
        return {"pack": name, "says": f"{len(found)} 个问题 problems", "problems": [str(p) for p in found]}
    assumed = sum(next(p.parameters[n] for p in policy.packs if n in p.parameters).kind == "assumed" for n in policy.names)
    alerts = len({alert for p in policy.packs for alert in p.alerts})
    chain = " → ".join(p.name for p in policy.packs)
    says = f"可用 usable · {chain} · {len(policy.names)} 参数 parameters（{assumed} 假定 assumed） · {alerts} 预警规则 alert rules"
    return {"pack": name, "says": says, "problems": []}


def _explain(policy: Policy, name: str, day: dt.date, *, as_json: bool) -> None:
    found = policy.value(name, day)
    zh, en = policy.label(name)
    said = found.reference
    reference = f"{said.document} {said.article}".strip() if said else ""
    owner = next(p for p in policy.packs if p.name == found.pack)
    if as_json:
        fields = {"name": name, "label_zh": zh, "label_en": en, "value": found.value, "unit": found.unit, "kind": found.kind}
        _print_json(
            {
                **fields,
                "pack": found.pack,
                "areas": owner.areas,
                "valid_from": found.valid_from,
                "reference": reference,
                "steps": found.steps,
            }
        )
        return
    unit = UNITS[found.unit]
    print(f"{zh} {en}（{name}）")
    print(
        f"{day}: {value_text(found.value)} {unit.zh} {unit.en} · {KINDS[found.kind]}{f' · {reference}' if reference else ''}"
        f" · {owner.name}: {_areas_text(owner)}"
    )
    for step in found.steps:
        print(f"  {step}")


def _areas_text(pack: Pack) -> str:
    """Which division codes a pack may serve, by their first digits."""
    return f"区划代码以 {'、'.join(pack.areas)} 开头 for division codes beginning so" if pack.areas else "各地 anywhere"


def _parameter_table(rows: Sequence[Mapping[Any, Any]]) -> Table:
    table = folded_table("参数 parameter", "值 value", "单位 unit", "规则包 pack", "依据 reference")
    for row in rows:
        unit = UNITS[row["unit"]]
        since = f"{row['pack']}\n{row['valid_from']}" if row["kind"] in ("rule", "assumed") else ""
        kind = KINDS.get(row["kind"] if since else None, "")
        said = " ".join(row[k] for k in ("document", "article") if isinstance(row[k], str) and row[k])
        table.add_row(
            f"{row['label_zh']}\n{row['name']}", value_text(row["value"]), f"{unit.zh}\n{unit.en}", since, f"{kind}\n{said}"
        )
    return table


def _alert_table(rules: tuple[AlertRule, ...], in_force: set[str]) -> Table:
    table = folded_table("预警规则 alert rule", "启用 on", "部门 office", "期限（天）due", "规则包 pack", "依据 reference")
    for rule in rules:
        said = f"{rule.reference.document} {rule.reference.article}".strip() if rule.reference else ""
        on = value_text(rule.name in in_force)
        table.add_row(
            f"{rule.title_zh}\n{rule.name}", on, rule.office, str(rule.due_days), rule.pack, f"{KINDS[rule.kind]}\n{said}"
        )
    return table


def _alert_record(rule: AlertRule, *, on: bool) -> dict[str, Any]:
    names = ("name", "title_zh", "title_en", "pack", "kind", "office", "channel", "cause", "must_visit", "due_days")
    return {name: getattr(rule, name) for name in names} | {"on": on}


def _print_json(content: dict[str, Any]) -> None:
    """Numbers are texts, so that nothing is rounded on the way."""
    print(json.dumps(content, ensure_ascii=False, indent=2, default=str))
