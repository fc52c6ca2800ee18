"""What a list may be told: places per township, tiers of risk, how many reasons are shown."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from returnrisk.config import VisitsSpec
from returnrisk.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Tier:
    """A band of risk with its words; it begins at `from_risk` (a probability) and ends where the next higher tier begins."""

    name: str
    zh: str
    en: str
    from_risk: float


# assumed: no plan states a capacity or thresholds. The defaults stand in `config`, where a county changes them.
_DEFAULTS = VisitsSpec()
DEFAULT_TIERS = tuple(Tier(name=tier.name, zh=tier.zh, en=tier.en, from_risk=tier.from_risk) for tier in _DEFAULTS.tiers)

# A household already below the line has no probability of falling below it: it carries this tier instead of one by risk.
MUST_VISIT_TIER = Tier("below_line", "已低于线", "already below the line", 0.0)


@dataclass(frozen=True, slots=True)
class VisitSpec:
    """How a priority visit list is made.

    Parameters
    ----------
    per_township
        Households a township can visit in one round by must-visits and risk (assumed: 40).
    random_places
        Households drawn by lot in every township beside those: their outcomes tell of everybody whom lists leave out (assumed: 0).
    tiers
        Bands of risk, highest first, the last one from 0; the default thresholds are assumed.
    top_reasons
        Reasons shown per household.

    Raises
    ------
    ConfigError
        A capacity below zero, fewer than one reason, or tiers that do not cover 0 to 1 in falling order.

    Examples
    --------
    >>> VisitSpec(per_township=25).top_reasons
    3
    >>> VisitSpec(tiers=(Tier("high", "高风险", "high", 0.2),))
    Traceback (most recent call last):
    returnrisk.errors.ConfigError: the lowest tier 'high' begins at 0.2; expected 0, so that every household has a tier
    """

    per_township: int = _DEFAULTS.per_township
    random_places: int = _DEFAULTS.random_places
    tiers: tuple[Tier, ...] = DEFAULT_TIERS
    top_reasons: int = _DEFAULTS.top_reasons

    @classmethod
    def from_config(cls, visits: VisitsSpec) -> VisitSpec:
        """Take the `[visits]` part of a project's `returnrisk.toml`, checked.

        Raises
        ------
        ConfigError
            As for the class.
        """
        tiers = tuple(Tier(name=tier.name, zh=tier.zh, en=tier.en, from_risk=tier.from_risk) for tier in visits.tiers)
        return cls(
            per_township=visits.per_township, random_places=visits.random_places, tiers=tiers, top_reasons=visits.top_reasons
        )

    def __post_init__(self) -> None:
        if self.per_township < 0:
            raise ConfigError(f"per_township is {self.per_township}; expected 0 or more households")
        if self.random_places < 0:
            raise ConfigError(f"random_places is {self.random_places}; expected 0 or more households")
        if not 1 <= self.top_reasons <= 10:
            raise ConfigError(f"top_reasons is {self.top_reasons}; expected 1 to 10: a score without a reason reaches nobody")
        if not self.tiers:
            raise ConfigError("there are no tiers; give at least one that begins at 0")
        starts = [tier.from_risk for tier in self.tiers]
        if any(not low < high for high, low in itertools.pairwise(starts)) or not 0 <= starts[0] < 1:
            raise ConfigError(f"tiers begin at {starts}; expected falling probabilities below 1, highest tier first")
        if starts[-1] != 0:
            raise ConfigError(
                f"the lowest tier '{self.tiers[-1].name}' begins at {starts[-1]}; expected 0, so that every household has a tier"
            )
        names = [tier.name for tier in self.tiers]
        if len({*names, MUST_VISIT_TIER.name}) != len(names) + 1:
            raise ConfigError(f"tier names are {names}; expected different ones, none of them '{MUST_VISIT_TIER.name}'")
