"""What a probability is of, in words: wherever a figure of an estimand appears, its sentence does."""

from __future__ import annotations

from collections.abc import Mapping

from returnrisk.config import Estimand

ASSUMPTION_ZH = "假定没有未记录的混杂"
ASSUMPTION_EN = "assuming no unmeasured confounding"
ESTIMANDS: Mapping[Estimand, tuple[str, str]] = {
    "observed": (
        "概率：照现在这样帮扶下去，期内跌破监测线。帮扶会掩盖风险，概率低不是停止跟踪或帮扶的理由。",
        "Probability of a fall as households are helped today. Help hides risk: a low figure ends nobody's follow-up.",
    ),
    "untreated": (
        f"概率：当日已有的帮扶继续、不再新增任何帮扶，期内跌破监测线；{ASSUMPTION_ZH}。概率低不是停止跟踪或帮扶的理由。",
        f"Probability of a fall if support held continues and no new measure starts, {ASSUMPTION_EN}. A low figure ends nobody's follow-up.",
    ),
}
"""Estimand to what its probability is, Chinese and English."""
