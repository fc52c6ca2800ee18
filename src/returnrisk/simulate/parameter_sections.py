"""Which parameters the simulated county has, by section, and of what type; values, units and sources stand in `parameters.toml`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClockParameters:
    """Price level and burn-in."""

    growth_year: float
    reference_month: str
    burn_in_months: int
    settled_months: int


@dataclass(frozen=True, slots=True)
class LineParameters:
    """The monitoring line by first day in force."""

    valid_from: tuple[str, ...]
    cny_year: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class VillageParameters:
    """Villages and townships."""

    households_per_village: int
    min_townships: int
    max_townships: int
    p_poverty_village: float
    p_key_village: float
    p_resettlement_site: float
    p_remote: float
    p_minority_area: float
    sd_prosperity: float
    sd_harvest_hazard: float
    remote_prosperity: float


@dataclass(frozen=True, slots=True)
class HouseholdParameters:
    """Households at the start."""

    share_ex_poor: float
    share_ex_poor_in_poverty_village: float
    size_shares: tuple[float, ...]
    need_below: float
    sd_ability: float
    ex_poor_ability: float
    land_mu_head: float
    sd_log_land: float
    p_resettled_outside_site: float
    p_flood_prone: float
    housing_shares: tuple[float, ...]
    p_water_safe: float
    p_commercial_cover: float
    p_minority_inside: float
    p_minority_outside: float


@dataclass(frozen=True, slots=True)
class MemberParameters:
    """Members at the start."""

    head_age_mean: float
    head_age_sd: float
    p_head_male: float
    p_spouse: float
    sd_skill: float
    wage_per_education_step: float
    p_cover: float
    p_disabled: float
    p_severe: float
    p_chronic_at_40: float
    p_chronic_at_75: float
    p_school_16_18: float
    p_school_19_22: float


@dataclass(frozen=True, slots=True)
class LifeParameters:
    """Births, deaths and marriages."""

    death_year_at_25: float
    death_growth: float
    death_serious_factor: float
    birth_month: float
    marry_out_month: float
    marry_in_month: float


@dataclass(frozen=True, slots=True)
class WorkParameters:
    """Jobs and wages."""

    migrant_wage_month: float
    share_brought_home: float
    local_wage_month: float
    formal_premium: float
    p_formal: float
    p_migrant_by_age: tuple[float, ...]
    p_local_by_age: tuple[float, ...]
    p_self_employed: float
    migrant_season: tuple[float, ...]
    local_season: tuple[float, ...]
    p_local_month_worked: float
    job_loss_month: float
    laid_off_together_month: float
    p_laid_off_together: float
    grower_job_factor: float
    p_paid_yearly: float
    share_paid_monthly: float
    p_default: float
    share_lost: tuple[float, ...]
    job_loss_old_factor: float
    job_loss_low_education_factor: float
    job_loss_formal_factor: float
    job_again_month: float
    job_again_by_age: tuple[float, ...]
    farmer_takes_job_month: float
    need_factor: float
    gives_up_after_months: int
    p_away_again: float
    retires_at: int
    market_persistence: float
    market_sd: float


@dataclass(frozen=True, slots=True)
class FarmParameters:
    """Crops, livestock, land."""

    crop_gross_mu_year: float
    crop_cost_share: float
    crop_season: tuple[float, ...]
    crop_cost_season: tuple[float, ...]
    p_grower: float
    grower_land_factor: float
    grower_value_factor: float
    grower_season: tuple[float, ...]
    failure_month: float
    failure_month_other: float
    failure_damage: tuple[float, ...]
    p_herder: float
    herder_scale: float
    herder_season: tuple[float, ...]
    herder_cost_season: tuple[float, ...]
    herder_failure_month: float
    mu_per_worker: float
    p_herd: float
    herd_gross_month: float
    hands_for_full_herd: float
    herd_cost_share: float
    herd_season: tuple[float, ...]
    price_persistence: float
    price_sd: float
    rent_mu_year: float
    dividend_head_year: float
    dividend_general_factor: float


@dataclass(frozen=True, slots=True)
class BusinessParameters:
    """Small businesses."""

    gross_month: float
    cost_share: float
    loss_month: float
    loss_months: tuple[int, ...]
    fails_month: float


@dataclass(frozen=True, slots=True)
class NoiseParameters:
    """Persistent and monthly noise of income."""

    persistence: float
    sd_operating: float
    sd_wage: float
    sd_remittance: float
    sd_month: float


@dataclass(frozen=True, slots=True)
class WeatherParameters:
    """Shocks that neighbours share."""

    p_drought_month: float
    p_township_hit: float
    p_village_hit: float
    drought_damage: tuple[float, ...]
    p_flood_month: float
    flood_damage: tuple[float, ...]
    flood_prone_factor: float
    p_animal_disease_month: float
    disease_damage: tuple[float, ...]
    herd_recovers_month: float


@dataclass(frozen=True, slots=True)
class HealthParameters:
    """Illness, disability and what treatment costs."""

    serious_month_at_40: float
    serious_growth: float
    serious_months: tuple[int, ...]
    p_carer_stops: float
    carer_months: tuple[int, ...]
    p_back_to_work: float
    p_disabled_after_serious: float
    chronic_month_at_40: float
    chronic_growth: float
    disability_month: float
    weak_wage_factor: float
    outpatient_month: float
    outpatient_cny: float
    inpatient_month: float
    inpatient_cny: float
    chronic_claim_month: float
    chronic_claim_cny: float
    serious_first_cny: float
    serious_next_month: float
    serious_next_cny: float
    dearest_cny: float
    memory_month: float
    sd_log_cost: float


@dataclass(frozen=True, slots=True)
class InsuranceParameters:
    """The chain that pays a bill."""

    in_scope_share: tuple[float, ...]
    basic_rate_inpatient: float
    basic_rate_chronic: float
    basic_rate_outpatient: float
    basic_deductible: float
    serious_start: float
    serious_start_poor: float
    serious_rate: float
    commercial_start: float
    commercial_rate: float
    aid_rate_dibao: float
    aid_rate_watched: float
    aid_start: float


@dataclass(frozen=True, slots=True)
class TransferParameters:
    """Subsidies, pensions and remittances."""

    pension_month: float
    pension_age: int
    disability_living_month: float
    disability_care_month: float
    farm_support_mu_year: float
    ecology_year: float
    p_ecology: float
    ecology_ends_month: float
    ecology_starts_month: float
    ecology_cut_month: float
    transport_year: float
    remittance_month: float
    p_remittance: float
    p_remittance_elderly: float
    remittance_ends_month: float
    remittance_need_factor: float
    remittance_starts_month: float


@dataclass(frozen=True, slots=True)
class DibaoParameters:
    """The minimum living allowance: who applies, who loses it."""

    line_share: float
    applies_month: float
    sd_assessment: float
    amount_shares: tuple[float, ...]
    exit_above: float
    p_exit: float
    p_wrong_exit: float


@dataclass(frozen=True, slots=True)
class MonitoringParameters:
    """Who is identified, and when the risk is closed."""

    p_below_line_month: float
    p_near_and_shock_month: float
    p_sudden_month: float
    p_other_month: float
    near_line: float
    ex_poor_factor: float
    sudden_out_of_pocket: float
    quota_year: float
    stable_above: float
    stable_months: int
    p_exit_month: float
    channel_shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SupportParameters:
    """Measures, given more to those who look at risk."""

    targeted: bool
    p_monitored_month: float
    p_shock_month: float
    p_low_ex_poor_month: float
    p_low_general_month: float
    p_ex_poor_month: float
    p_delivered: float
    p_delivered_later_month: float
    months: tuple[int, ...]
    post_month: float
    industry_gross_month: float
    industry_cost_share: float
    industry_fails_month: float
    credit_month: float
    relief_head: float
    job_factor: float
    skills_factor: float
    safety_net_applies: float


@dataclass(frozen=True, slots=True)
class ReportingParameters:
    """When the offices record what happened."""

    income_days: tuple[int, ...]
    income_late_days: tuple[int, ...]
    p_income_late: float
    p_correction: float
    correction_days: tuple[int, ...]
    correction_factor: tuple[float, ...]
    p_township_missing: float
    income_arrives_days: tuple[int, ...]
    medical_days: tuple[int, ...]
    subsidy_days: tuple[int, ...]
    other_days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExportParameters:
    """What goes wrong in the files."""

    gb18030_year: int
    p_duplicate_row: float
    p_bad_cell: float
