"""Table price: what products fetch in the county, from the markets that crop and livestock income follow."""

from __future__ import annotations

import numpy as np

from returnrisk.simulate import filing
from returnrisk.simulate.filing import Note, Sheet, office_days
from returnrisk.simulate.state import Market

PRODUCTS = ("grain", "cash_crop", "vegetable", "fruit", "pig", "cattle_sheep", "poultry", "other")
PRICE = {
    "product": filing.codes(PRODUCTS),
    "period_start": filing.calendar,
    "price_cny_kg": filing.plain,
    "recorded_on": filing.calendar,
}


def file_prices(note: Note) -> Sheet:
    """One row per product."""
    month, p = note.month, note.month.parameters.price
    market = month.state.market[0]
    follows = market[Market.LIVESTOCK] * np.array(p.follows_livestock) + market[Market.CROPS] * np.array(p.follows_crops)
    follows = follows + market[Market.CASH_CROP] * np.array(p.follows_cash_crop)
    n = len(PRODUCTS)
    level = month.price**p.growth_share * np.exp(follows + p.sd_month * month.rng.standard_normal(n))
    recorded = office_days(month, np.full(n, month.last_day), month.parameters.office.price_days)
    return {
        "product": np.arange(n),
        "period_start": np.full(n, month.first_day),
        "price_cny_kg": np.round(np.array(p.products_cny_kg) * level, 2),
        "recorded_on": np.full(n, recorded[0]),
    }
