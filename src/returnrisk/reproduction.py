"""A past run made again from stored inputs, compared byte by byte with what the audit trail says it wrote."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from returnrisk.audit_trail import TrailLine
from returnrisk.errors import NotEnoughDataError
from returnrisk.run_manifest import NAME
from returnrisk.store.files import sha256_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Whether a run came out the same.

    Attributes
    ----------
    facts
        What the trail keeps of the run.
    same
        Every byte of every file is the same.
    reason
        Why it is not, or why it was not tried, in words; None where it is the same.
    differing
        Files whose bytes differ or that only one of the two has, where the run's own manifest is still there to say.
    """

    as_of: dt.date
    facts: Mapping[str, Any]
    same: bool
    reason: str | None = None
    differing: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """3 where the run did not come out the same, else 0."""
        return 0 if self.same else 3

    def frame(self) -> pd.DataFrame:
        """One row per differing file."""
        import pandas as pd

        return pd.DataFrame({"file": list(self.differing)}, dtype="str")


def last_run(lines: Iterable[TrailLine], as_of: dt.date) -> Mapping[str, Any]:
    """Facts of the last run of a day.

    Raises
    ------
    NotEnoughDataError
        There is none; the message names the days that have one.
    """
    runs = {line.facts["as_of"]: line.facts for line in lines if line.event == "run"}
    if (found := runs.get(as_of.isoformat())) is None:
        raise NotEnoughDataError(f"the audit trail holds no run of {as_of}; it has: {', '.join(sorted(runs)) or 'none'}")
    return found


def why_not(facts: Mapping[str, Any], *, rows_now: int, settings_now: str) -> str | None:
    """Why a run cannot be made again: what it was made from is not there any more; None where it is."""
    if rows_now < facts["rows"]:
        return f"inputs were erased since: of {facts['rows']} rows recorded by that day {rows_now} are left"
    if settings_now != facts["settings"]:
        return "returnrisk.toml, the policy pack or the model specification is another than then: restore it, then repeat"
    return None


def compare(facts: Mapping[str, Any], *, was: Path, again: Path) -> Reproduction:
    """The manifest made again against the checksum in the trail; which files differ, where the run's manifest still stands in `was`."""
    as_of = dt.date.fromisoformat(facts["as_of"])
    if sha256_of(again / NAME) == facts["outputs"]:
        return Reproduction(as_of=as_of, facts=facts, same=True)
    if not (was / NAME).is_file() or sha256_of(was / NAME) != facts["outputs"]:
        return Reproduction(
            as_of=as_of,
            facts=facts,
            same=False,
            reason="it came out otherwise; which files differ cannot be told, for the folder of the run was written anew or is gone",
        )
    old, new = (json.loads((folder / NAME).read_text(encoding="utf-8"))["files"] for folder in (was, again))
    differing = tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
    return Reproduction(as_of=as_of, facts=facts, same=False, reason="these files came out otherwise", differing=differing)
