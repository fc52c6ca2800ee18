"""Which parameters the further tables of the offices, families and traps have; values, units and sources stand in `parameters.toml`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupParameters:
    """Groups whose true risk differs."""

    minority_ability: float
    resettled_land_factor: float
    resettled_ability: float
    resettled_job_loss_factor: float
    old_age: int
    old_alone_herd_factor: float


@dataclass(frozen=True, slots=True)
class TrapParameters:
    """The switches and sizes of what makes records differ from the truth; help that hides risk is `support.targeted`."""

    quota_binding: bool
    only_visited_verified: bool
    strategic_reporting: bool
    share_understating_townships: float
    understated_loss_factor: float
    p_loss_not_reported: float
    p_risk_not_confirmed: float
    sloppy_reporting: bool
    p_card_copied: float
    p_office_late: float
    late_factor: tuple[float, ...]
    unseen_groups: bool
    seen_factor: float
    recorded_factor: float
    dibao_errors: bool
    attitude_fields: bool
    p_attitude: float
    p_attitude_unseen: float


@dataclass(frozen=True, slots=True)
class FamilyParameters:
    """Households that split, join and move."""

    split_year: float
    join_year: float
    move_year: float


@dataclass(frozen=True, slots=True)
class LossParameters:
    """What a hazard costs a household, and fires and accidents."""

    crop_standard_mu: float
    herd_standard_cny: float
    p_recorded: float
    p_landslide_remote: float
    fire_month: float
    fire_cny: tuple[float, ...]
    accident_month: float
    accident_cny: tuple[float, ...]
    calamity_month: float
    calamity_share: tuple[float, ...]
    p_calamity_fire: float
    p_house_damaged: float
    p_house_damaged_flood: float


@dataclass(frozen=True, slots=True)
class PriceParameters:
    """Prices of products: CNY a kg in the reference month, how they follow the markets, noise."""

    products_cny_kg: tuple[float, ...]
    follows_livestock: tuple[float, ...]
    follows_crops: tuple[float, ...]
    follows_cash_crop: tuple[float, ...]
    sd_month: float
    crop_sd: float
    cash_crop_sd: float
    growth_share: float


@dataclass(frozen=True, slots=True)
class ProjectParameters:
    """Industry projects of villages."""

    kind_shares: tuple[float, ...]
    dividend_year: float
    dividend_range: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ExpenseParameters:
    """Rigid expenditure that offices learn of."""

    p_recorded: float
    illness_from_cny: float
    tuition_from_cny: float
    disability_care_year: float
    elder_care_year: float
    elder_age: int
    other_month: float
    other_cny: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CertificateParameters:
    """Disability certificates."""

    p_certified: float
    issued_days: tuple[int, ...]
    kind_shares: tuple[float, ...]
    valid_years: int


@dataclass(frozen=True, slots=True)
class SpellParameters:
    """Job spells as the labour office has them."""

    p_recorded_formal: float
    p_recorded_informal: float
    p_workshop: float
    p_outside_province: float
    p_village: float
    sector_away: tuple[float, ...]
    sector_local: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SchoolParameters:
    """School years: cost, aid, and who leaves early; one number for each stage of the contract."""

    p_drop_out: float
    drop_out_poor_factor: float
    p_vocational: float
    fee_cny_year: tuple[float, ...]
    aid_cny_year: tuple[float, ...]
    p_boarding: tuple[float, ...]
    student_loan_cny: float
    p_student_loan: float


@dataclass(frozen=True, slots=True)
class LoanParameters:
    """Micro-credit."""

    amount_mean: float
    amount_sd: float
    amount_max: float
    overdue_below: float
    p_overdue: float
    p_sells_herd: float
    settles_month: float


@dataclass(frozen=True, slots=True)
class CoverParameters:
    """Insurance that is no part of the medical chain."""

    p_crop: float
    p_livestock: float
    p_accident: float
    p_house: float
    p_renews: float
    pays_share: float
    guard_start: float
    guard_share: float
    guard_max: float
    premium_cny: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SignalParameters:
    """What households and others raise, and what households dispute."""

    p_by_code: tuple[float, ...]
    channel_shares: tuple[float, ...]
    food_below: float
    not_listed_month: float
    p_eliminated: float
    p_listed: float
    data_wrong_month: float
    p_answered: float
    answer_days: tuple[int, ...]
    answer_shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class VisitParameters:
    """Who is visited, what is found, and who visits."""

    p_monitored_month: float
    p_hit_month: float
    p_low_month: float
    p_ex_poor_month: float
    p_other_month: float
    p_not_at_home: float
    p_not_at_home_away: float
    p_refused: float
    p_moved_away: float
    p_confirms: float
    p_false_alarm: float
    households_per_grid_worker: int
    village_team: int
    turnover_year: float
    capacity_month: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MeansParameters:
    """Authorisations and what enquiries into assets find."""

    p_asset_query: float
    p_data_sharing: float
    valid_days: int
    p_withdrawn: float
    savings_share: tuple[float, ...]
    house_cny: tuple[float, ...]
    p_vehicle: float
    vehicle_cny: tuple[float, ...]
    business_cny: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class OfficeParameters:
    """Days from the event until the office records it, a range for each table."""

    hazard_days: tuple[int, ...]
    price_days: tuple[int, ...]
    industry_project_days: tuple[int, ...]
    expense_days: tuple[int, ...]
    disability_days: tuple[int, ...]
    disaster_days: tuple[int, ...]
    employment_days: tuple[int, ...]
    schooling_days: tuple[int, ...]
    loan_days: tuple[int, ...]
    insurance_days: tuple[int, ...]
    signal_days: tuple[int, ...]
    visit_days: tuple[int, ...]
    asset_days: tuple[int, ...]
    authorisation_days: tuple[int, ...]
    objection_days: tuple[int, ...]
