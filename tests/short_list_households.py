"""Households with a short list of facts, some of them missing, and whether they fell: what the tests of the estimators share."""

from __future__ import annotations

import numpy as np

NAMES = ("line_ratio", "n_labour", "illness", "flag", "constant", "blank")
# What an explanation may miss (explain/contributions.py allows more).
ADDITIVE_TOLERANCE = 1e-8


def households(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    labour = rng.integers(0, 4, n).astype(float)
    ratio = np.exp(0.2 + 0.15 * labour + rng.normal(0, 0.5, n))
    illness = np.where(rng.random(n) < 0.8, 0, rng.gamma(1, 1.5, n))
    flag = (rng.random(n) < 0.02).astype(float)
    eta = -1.6 - 1.2 * np.log(ratio) - 0.2 * labour + 0.4 * illness
    X = np.column_stack([ratio, labour, illness, flag, np.full(n, 4.0), np.full(n, np.nan)])
    X[rng.random(n) < 0.1, 2] = np.nan
    X[rng.random(n) < 0.05, 0] = np.nan
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
