"""Where packs lie, and from a name to a checked `Policy`."""

from __future__ import annotations

from pathlib import Path

from returnrisk.errors import PolicyNameError, PolicyPackError, UnknownNameError
from returnrisk.policy.check import chain_problems
from returnrisk.policy.codes import Problem
from returnrisk.policy.model import Pack
from returnrisk.policy.parsing import parse_pack
from returnrisk.policy.resolve import Policy
from returnrisk.policy.strict_yaml import read_yaml
from returnrisk.resources import data_folder


def policy_names(folder: Path | None = None) -> list[str]:
    """Names of the packs that may be loaded, sorted: those of a county's `folder` and the shipped ones.

    Examples
    --------
    >>> policy_names()
    ['gansu-style', 'guangxi-style', 'national']
    """
    folders = [data_folder("data_contracts") / "policy", *([folder] if folder is not None else [])]
    return sorted({path.stem for place in folders for path in place.glob("*.yaml")})


def load_policy(name: str, folder: Path | None = None) -> Policy:
    """A pack with everything it inherits, checked.

    Parameters
    ----------
    name
        Name of the pack: its file without `.yaml`.
    folder
        Where a county's own packs lie, looked at before the shipped ones (a name taken there hides the shipped pack).

    Raises
    ------
    PolicyNameError
        POL003: there is no such pack.
    PolicyPackError
        The pack or one it inherits from cannot be used; every problem with its code, pack and key.

    Examples
    --------
    >>> [pack.name for pack in load_policy("guangxi-style").packs]
    ['guangxi-style', 'national']
    >>> load_policy("guangxi")
    Traceback (most recent call last):
        ...
    returnrisk.errors.PolicyNameError: POL003 guangxi: unknown policy pack 'guangxi'; did you mean 'guangxi-style'? known: ...
    """
    policy, problems = read_policy(name, folder)
    if problems:
        codes = tuple(dict.fromkeys(p.code for p in problems))
        raise PolicyPackError("\n  ".join(map(str, problems)), codes=codes)
    return policy


def read_policy(name: str, folder: Path | None = None) -> tuple[Policy, list[Problem]]:
    """A pack with everything it inherits, and everything that is wrong with it (then the policy may not be asked anything).

    Raises
    ------
    PolicyNameError, PolicyPackError
        POL001, POL003, POL004: the chain of packs itself cannot be read.
    """
    packs: list[Pack] = []
    problems: list[Problem] = []
    wanted: str | None = name
    while wanted is not None:
        if wanted in (read := [p.name for p in packs]):
            circle = " → ".join([*read[read.index(wanted) :], wanted])
            raise PolicyPackError(f"POL004 {name}, parent: packs inherit from each other in a circle: {circle}", codes=("POL004",))
        path = _path(wanted, folder, asked_by=packs[-1].name if packs else None)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise PolicyPackError(f"POL001 {wanted}: is not in UTF-8", codes=("POL001",)) from None
        pack, found = parse_pack(read_yaml(text, where=wanted), name=wanted)
        packs.append(pack)
        problems += found
        wanted = pack.parent
    return Policy(tuple(packs)), [*problems, *chain_problems(packs)]


def _path(name: str, folder: Path | None, *, asked_by: str | None) -> Path:
    """The file of a pack: the county's own, else the shipped one."""
    for place in (folder, data_folder("data_contracts") / "policy"):
        if place is not None and (place / f"{name}.yaml").is_file():
            return place / f"{name}.yaml"
    unknown = UnknownNameError("policy pack", name, policy_names(folder))
    where = f"{asked_by}, parent" if asked_by else name
    raise PolicyNameError(f"POL003 {where}: {unknown}", codes=("POL003",))
