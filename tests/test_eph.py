"""The EPH reader: against independent computations in pandas on the real files, and case by case on small invented ones."""

import datetime as dt
import gzip
import hashlib
import os
from decimal import Decimal
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
import yaml

from returnrisk.contracts import check_table, load_contracts
from returnrisk.errors import ContractError, IngestError, UnknownNameError, UsageError
from returnrisk.ingest.eph import TABLES, read_eph
from returnrisk.ingest.eph_mapping import load_eph_mapping
from returnrisk.resources import data_folder

pytestmark = [
    # Ibis 12 asks pandas 3 for an option that pandas 4 drops, and DuckDB 1.5 for a method under its old name.
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:Warning"),
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
]
EPH = Path(os.environ.get("RETURNRISK_EPH") or Path(__file__).parents[2] / "shared" / "data" / "eph")
real = pytest.mark.skipif(not EPH.is_dir(), reason="the EPH files are not here; set RETURNRISK_EPH to their folder")
SLICE = ("08t2", "09t1")
"""A gap of three quarters; the invented files below have the others."""

ITEM_COLUMNS = [
    "P21",
    "TOT_P12",
    "V2_M",
    "V3_M",
    "V4_M",
    "V5_M",
    "V8_M",
    "V9_M",
    "V10_M",
    "V11_M",
    "V12_M",
    "V18_M",
    "V19_AM",
    "V21_M",
]
PERSON_COLUMNS = ["CODUSU", "NRO_HOGAR", "COMPONENTE", "ANO4", "TRIMESTRE", "CH03", "CH04", "CH06", "ESTADO", "CAT_OCUP", "PP07H"]


def connect():
    con = ibis.duckdb.connect()
    con.raw_sql("SET threads = 2")
    return con


def frames(result):
    return {name: table.to_pandas() for name, table in result.tables.items()}


def check_contracts(result):
    contracts = load_contracts()
    assert tuple(result.tables) == TABLES
    for name, table in result.tables.items():
        check_table(table, contracts[name], referenced=result.tables)


def check_accounting(result):
    accounts = result.frame()
    reasons = ["unreadable", "special_household", "special_person", "not_interviewed", "duplicate_key", "no_regular_member"]
    left_out = accounts[[*reasons, "household_left_out"]].sum(axis=1)
    assert (accounts.n_input == accounts.n_accepted + left_out).all()
    for kind, table in (("household", "household"), ("person", "member")):
        assert accounts.n_accepted[accounts.kind == kind].sum() == result.tables[table].count().execute()
    return accounts


# ---- the real files, read a second time in another way -------------------------------------------------------------------------


def read_raw(folder, kind, columns):
    parts = []
    for file in sorted(Path(folder).rglob(f"{kind}_*.tsv.gz")):
        part = pd.read_csv(file, sep="\t", quoting=3, dtype=str, usecols=lambda c: c in columns)
        parts.append(part)
    raw = pd.concat(parts, ignore_index=True)
    for column in raw.columns.drop("CODUSU"):
        raw[column] = pd.to_numeric(raw[column], errors="coerce")
    raw["q"] = raw.ANO4 * 4 + raw.TRIMESTRE - 1
    return raw


def segments_by_hand(persons):
    """First quarter of the household of each (dwelling, number, quarter), by a loop; and the links that held and broke."""
    people = {}
    for dwelling, number, q, component, sex, age in persons[["CODUSU", "NRO_HOGAR", "q", "COMPONENTE", "CH04", "CH06"]].to_numpy():
        people.setdefault((dwelling, number), {}).setdefault(q, {})[component] = (sex, max(age, 0))
    first, held, broken = {}, 0, 0
    for key, interviews in people.items():
        previous = None
        for q in sorted(interviews):
            start = q
            if previous is not None:
                low, high = {1: (-1, 1), 3: (0, 2), 4: (0, 2), 5: (0, 2)}.get(q - previous, (1, 0))
                before, now = interviews[previous], interviews[q]
                same = any(c in before and before[c][0] == now[c][0] and low <= now[c][1] - before[c][1] <= high for c in now)
                held, broken = held + same, broken + (not same)
                start = first[*key, previous] if same else q
            first[*key, q] = start
            previous = q
    return first, held, broken


def hand_id(*parts):
    return int(hashlib.sha256("|".join(str(p) for p in parts).encode()).hexdigest()[:15], 16)


def hand_line(households):
    """60% of the weighted median: sort, add the weights up, take the first value at half of them."""
    per_head = (households.ITF / households.IX_TOT).to_numpy()
    order = np.argsort(per_head, kind="stable")
    weights = np.cumsum(households.PONDERA.to_numpy()[order])
    return 0.6 * per_head[order][np.searchsorted(weights, weights[-1] / 2)]


def check_against_pandas(result, folder):
    households = read_raw(
        folder, "hogar", ["CODUSU", "NRO_HOGAR", "ANO4", "TRIMESTRE", "PONDERA", "REALIZADA", "IX_TOT", "ITF", "IPCF"]
    )
    persons = read_raw(folder, "indiv", [*PERSON_COLUMNS, *ITEM_COLUMNS])
    regular = persons[~persons.COMPONENTE.isin([51, 71]) & ~persons.NRO_HOGAR.isin([51, 71])]
    first, held, broken = segments_by_hand(regular)
    accounts = check_accounting(result)
    assert (accounts.n_linked.sum(), accounts.n_broken.sum()) == (held, broken)

    keys = ["CODUSU", "NRO_HOGAR", "q"]
    heads = regular.groupby(keys).size().rename("heads").reset_index()
    expected = households.merge(heads, on=keys)
    expected["household_id"] = [hand_id(d, n, first[d, n, q]) for d, n, q in expected[keys].to_numpy()]
    expected["recorded_on"] = [pd.Timestamp(int(q) // 4, int(q) % 4 * 3 + 3, 1) + pd.offsets.MonthEnd(0) for q in expected.q]
    tables = frames(result)
    at = ["household_id", "recorded_on"]
    got = tables["household"][at].astype({"recorded_on": "datetime64[s]"})
    assert len(got) == len(expected) == len(expected[at].drop_duplicates())
    expected["recorded_on"] = expected.recorded_on.astype("datetime64[s]")
    assert len(got.merge(expected, on=at)) == len(expected)

    roster = tables["household_roster"].astype({"recorded_on": "datetime64[s]"})
    living = roster.groupby(at).size().rename("living").reset_index()
    assert (expected.merge(living, on=at, how="left").eval("heads == living")).all()

    income = tables["income"].astype({"recorded_on": "datetime64[s]"})
    income["cents"] = ((income.gross_cny - income.cost_cny) * 100).astype("int64")
    total = expected.merge(income.groupby(at).cents.sum().reset_index(), on=at)
    assert (total.cents == (total.ITF * 300).round().astype("int64")).all()
    assert len(total) == len(income[at].drop_duplicates()), "an interview without an income row cannot be told from none"
    assert (abs(total.ITF / total.heads - total.IPCF) <= 0.011).mean() > 0.999

    line = tables["line"].sort_values("valid_from")
    by_hand = [12 * hand_line(part[part.REALIZADA == 1]) for _, part in households.groupby("q")]
    assert line.line_cny_year.astype(float).to_numpy() == pytest.approx(by_hand, abs=0.0051)
    return total.merge(pd.DataFrame({"q": sorted(households.q.unique()), "line": by_hand}), on="q")


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eph")
    for quarter in SLICE:
        for kind in ("hogar", "indiv"):
            (folder / f"{kind}_a{quarter}.tsv.gz").write_bytes((EPH / kind / f"{kind}_a{quarter}.tsv.gz").read_bytes())
    return folder


@real
def test_two_real_quarters_keep_their_contracts_and_agree_with_pandas(small_folder):
    con = connect()
    result = read_eph(small_folder, con)
    assert result.quarters == ("2008Q2", "2009Q1")
    assert sorted(con.list_tables()) == sorted(t.op().name for t in result.tables.values()), "something intermediate is left"
    check_contracts(result)
    status = check_against_pandas(result, small_folder)
    poor = status.assign(poor=status.ITF * 12 / status.heads < status.line).groupby("q").poor.mean()
    assert poor.between(0.2, 0.35).all()
    for file, row in result.frame().set_index("file").iterrows():
        with gzip.open(small_folder / file) as lines:
            assert row.n_input == sum(1 for _ in lines) - 1


@pytest.mark.slow
@real
def test_all_quarters_agree_with_pandas_and_the_known_rates():
    con = connect()
    result = read_eph(EPH, con)
    check_contracts(result)
    accounts = result.frame()
    assert 0.02 < accounts.n_broken.sum() / (accounts.n_linked.sum() + accounts.n_broken.sum()) < 0.03
    status = check_against_pandas(result, EPH)
    status["poor"] = status.ITF * 12 / status.heads < status.line - 0.001
    for quarters, low, high in ((1, 0.11, 0.13), (4, 0.12, 0.14)):
        later = status[["household_id", "q", "poor"]].assign(q=status.q - quarters)
        pairs = status[~status.poor].merge(later, on=["household_id", "q"], suffixes=("", "_later"))
        assert low < pairs.poor_later.mean() < high


# ---- small invented files ------------------------------------------------------------------------------------------------------

HOUSEHOLD = {
    "CODUSU": "A1",
    "NRO_HOGAR": 1,
    "REALIZADA": 1,
    "REGION": 43,
    "AGLOMERADO": 2,
    "PONDERA": 100,
    "IX_TOT": 1,
    "ITF": "1000.0",
}
HOUSEHOLD |= {
    "IPCF": "1000.0",
    "IV1": 1,
    "IV2": 3,
    "IV3": 1,
    "IV4": 4,
    "IV5": 1,
    "IV6": 1,
    "IV7": 1,
    "IV12_2": 2,
    "II1": 2,
    "NOTE": "",
}
PERSON = {"CODUSU": "A1", "NRO_HOGAR": 1, "COMPONENTE": 1, "CH03": 1, "CH04": 2, "CH06": 40, "CH08": 1, "CH10": 2, "NIVEL_ED": 4}
PERSON |= {"ESTADO": 3, "CAT_OCUP": 0, "CAT_INAC": 4, "PP07H": 0} | dict.fromkeys(ITEM_COLUMNS, 0)


def write_file(path, rows, columns=None, raw_lines=()):
    columns = list(columns or rows[0])
    lines = ["\t".join(columns), *("\t".join(str(r[c]) for c in columns) for r in rows), *raw_lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def write_quarter(folder, quarter, people, homes=({},), **options):
    """One quarter's two files; `people` and `homes` say how rows differ from PERSON and HOUSEHOLD."""
    year, number = int(quarter[:4]), int(quarter[5])
    when = {"ANO4": year, "TRIMESTRE": number}
    stem = f"a{year % 100:02d}t{number}.tsv.gz"
    write_file(folder / f"hogar_{stem}", [HOUSEHOLD | when | home for home in homes])
    write_file(folder / f"indiv_{stem}", [PERSON | when | person for person in people], **options)


def read_frames(folder):
    result = read_eph(folder, connect())
    check_contracts(result)
    check_accounting(result)
    return result, frames(result)


LINKS = [  # quarter of the second interview, age and sex then of a woman of 40 in 2008Q1, whether it can be her
    ("2008Q2", 39, 2, True),
    ("2008Q2", 41, 2, True),
    ("2008Q2", 38, 2, False),
    ("2008Q2", 42, 2, False),
    ("2008Q2", 40, 1, False),
    ("2008Q3", 40, 2, False),  # the survey has no gap of two quarters
    ("2008Q4", 39, 2, False),
    ("2008Q4", 40, 2, True),
    ("2009Q1", 42, 2, True),
    ("2009Q2", 42, 2, True),
    ("2009Q2", 43, 2, False),
    ("2009Q3", 41, 2, False),
]


def test_a_household_is_the_same_while_one_person_can_be(tmp_path):
    dwellings = [f"L{i}" for i in range(len(LINKS))]
    later = dict(zip(dwellings, LINKS, strict=True))
    write_quarter(tmp_path, "2008Q1", couples(dict.fromkeys(dwellings, (40, 2, 10))), [{"CODUSU": d} for d in dwellings])
    for quarter in sorted({link[0] for link in LINKS}):
        here = {d: (age, sex, 70) for d, (second, age, sex, _) in later.items() if second == quarter}
        write_quarter(tmp_path, quarter, couples(here), [{"CODUSU": d} for d in here])
    result, tables = read_frames(tmp_path)
    assert result.frame().n_linked.sum() == sum(link[3] for link in LINKS)
    assert result.frame().n_broken.sum() == sum(not link[3] for link in LINKS)
    rows = tables["household"].household_id.value_counts()
    for dwelling, (*_, same) in later.items():
        assert rows[hand_id(dwelling, 1, 2008 * 4)] == (2 if same else 1), later[dwelling]


def couples(people):
    """Per dwelling a first person of the given age and sex and a second of the given age."""
    pairs = [({"CH06": age, "CH04": sex}, {"COMPONENTE": 2, "CH06": second}) for age, sex, second in people.values()]
    return [{"CODUSU": d} | person for d, pair in zip(people, pairs, strict=True) for person in pair]


def test_newborns_keep_their_birthday_and_later_quarters_change_no_earlier_row(tmp_path):
    write_quarter(tmp_path, "2008Q1", [{"CH06": -1}])
    write_quarter(tmp_path, "2008Q2", [{"CH06": 1}])  # moved by one year, not two
    write_quarter(tmp_path, "2009Q1", [{"CH06": 1}])
    result, tables = read_frames(tmp_path)
    assert tables["household"].household_id.nunique() == 1
    assert set(tables["member"].born_on.astype(str)) == {"2008-01-01"}
    early = read_eph(tmp_path, connect(), quarters=("2007Q1", "2008Q2"))
    assert early.quarters == ("2008Q1", "2008Q2")
    for name, table in result.tables.items():
        known = table.filter(table.recorded_on <= dt.date(2008, 6, 30))
        assert known.to_pyarrow().equals(early.tables[name].to_pyarrow()), name


def test_who_leaves_and_returns_and_whose_birthday_is_kept(tmp_path):
    head, child = {"CH06": 40}, {"COMPONENTE": 2, "CH03": 3, "CH06": 10}
    write_quarter(tmp_path, "2008Q1", [head, child])
    write_quarter(tmp_path, "2008Q2", [head, {"COMPONENTE": 3, "CH03": 10, "CH06": 33}])
    write_quarter(tmp_path, "2009Q1", [head | {"CH06": 41}, child | {"CH06": 9}, {"COMPONENTE": 3, "CH03": 10, "CH06": 61}])
    _, tables = read_frames(tmp_path)
    roster = (
        tables["household_roster"].astype(str).replace({"NaT": "", "nan": ""}).fillna("").sort_values(["relation", "recorded_on"])
    )
    child_rows = roster.loc[roster.relation == "child", ["joined_on", "left_on", "recorded_on"]].to_numpy().tolist()
    assert child_rows == [
        ["2008-01-01", "2008-03-31", "2008-03-31"],
        ["2009-01-01", "2009-03-31", "2009-03-31"],
    ]
    assert list(roster.joined_on[roster.relation == "other"]) == ["2008-04-01", "2009-01-01"]
    born = tables["member"].merge(tables["household_roster"][["person_id", "relation"]].drop_duplicates(), on="person_id")
    born = born.sort_values("recorded_on").groupby("relation").born_on.apply(lambda days: [str(d)[:10] for d in days])
    assert born["head"] == ["1968-01-01"] * 3
    assert born["child"] == ["1998-01-01"] * 2  # ages 10 and 9: reported ages wobble
    assert born["other"] == ["1975-04-01", "1948-01-01"]  # 33 and then 61: another person under the same number


def test_items_follow_the_work_status_and_add_up_to_the_total(tmp_path):
    worker = {"ESTADO": 1, "CAT_OCUP": 3, "PP07H": 1, "P21": 700, "TOT_P12": 50, "V8_M": -9, "V19_AM": 5}
    people = [
        worker,
        {"COMPONENTE": 2, "ESTADO": 1, "CAT_OCUP": 3, "PP07H": 2, "P21": 100},
        {"COMPONENTE": 3, "ESTADO": 1, "CAT_OCUP": 2, "P21": 20, "V9_M": 1},
        {"COMPONENTE": 4, "ESTADO": 2, "CAT_OCUP": 3, "P21": 999, "V2_M": 30, "V21_M": 15},
        {"COMPONENTE": 51, "ESTADO": 1, "CAT_OCUP": 3, "P21": 400},
        {"CODUSU": "A2", "V5_M": 80},
        {"CODUSU": "A3"},
    ]
    homes = [{"ITF": "1000.5", "IX_TOT": 4}, {"CODUSU": "A2", "ITF": 60}, {"CODUSU": "A3", "ITF": 0}]
    write_quarter(tmp_path, "2008Q1", people, homes)
    result, tables = read_frames(tmp_path)
    first, second = (hand_id(dwelling, 1, 2008 * 4) for dwelling in ("A1", "A2"))
    income = tables["income"].set_index(["household_id", "item"])
    assert income.loc[first].gross_cny.to_dict() == {
        "formal_wage": 2100,
        "informal_wage": 300,
        "other_job": 150,
        "other_transfer": 15,
        "pension": 135,
        "self_employment": 60,
        "small_business": 3,
        "unallocated": Decimal("238.50"),
    }
    assert income.loc[first].gross_cny.sum() == Decimal("3001.50")
    assert income.loc[first].person_id.isna().to_dict()["unallocated"]
    assert income.loc[second, ["gross_cny", "cost_cny"]].to_dict("index") == {
        "cash_benefit": {"gross_cny": 240, "cost_cny": 0},
        "unallocated": {"gross_cny": 0, "cost_cny": 60},
    }
    assert len(income) == 10  # A3 has no income and no row: interviewed (it has a member), delivered, zero
    assert len(tables["household"]) == 3
    assert set(tables["delivery"].table_name) == {"household", "income", "member"}
    assert result.frame().special_person.sum() == 1
    assert (tables["income"].period_start.astype(str) == "2008-01-01").all()
    assert (tables["income"].recorded_on.astype(str) == "2008-03-31").all()


def test_every_row_left_out_has_its_reason(tmp_path):
    homes = [{}, {"CODUSU": "B", "REALIZADA": 0}, {"CODUSU": "C", "NRO_HOGAR": 51}, {"CODUSU": "D"}, {"CODUSU": "E", "ITF": "None"}]
    homes += [{"CODUSU": "F", "ITF": 10}, {"CODUSU": "F", "ITF": 20}]
    people = [{}, {"CODUSU": "B"}, {"CODUSU": "C", "NRO_HOGAR": 51}, {"CODUSU": "D", "COMPONENTE": 71}, {"CODUSU": "E"}]
    people += [{"CODUSU": "F"}, {"COMPONENTE": 2, "CH06": "?"}, {"COMPONENTE": 3}, {"COMPONENTE": 3, "V5_M": 7}]
    write_quarter(tmp_path, "2008Q1", people, homes)
    result, _ = read_frames(tmp_path)
    accounts = result.frame().set_index("kind")
    counted = accounts.loc["household"]
    reasons = ["not_interviewed", "special_household", "no_regular_member", "unreadable", "duplicate_key"]
    assert counted[reasons].tolist() == [1] * 5
    assert counted.n_head_count_differs == 1  # two persons for an IX_TOT of one
    reasons = ["household_left_out", "special_household", "special_person", "unreadable", "duplicate_key"]
    assert accounts.loc["person", reasons].tolist() == [2, 1, 1, 1, 1]


def test_the_line_is_the_smallest_value_at_half_the_weight(tmp_path):
    homes = [{"CODUSU": c, "ITF": itf, "PONDERA": w} for c, itf, w in (("A", 0, 30), ("B", 100, 20), ("C", 200, 49), ("D", 900, 1))]
    homes += [{"CODUSU": "S", "NRO_HOGAR": 71, "ITF": 10**4, "PONDERA": 10**4}]
    write_quarter(tmp_path, "2008Q4", [{"CODUSU": h["CODUSU"], "NRO_HOGAR": h.get("NRO_HOGAR", 1)} for h in homes], homes)
    _, tables = read_frames(tmp_path)
    assert tables["line"].line_cny_year.tolist() == [Decimal("720.00")]  # 12 x 0.6 x 100: half of 100 is reached at the second
    assert tables["line"].astype(str)[["valid_from", "recorded_on"]].iloc[0].tolist() == ["2008-10-01", "2008-12-31"]


def test_text_oddities_and_absent_optional_columns(tmp_path):
    homes = [{"NOTE": '12" pipe', "IV12_2": "None", "II1": 99}, {"CODUSU": "A2", "NOTE": "x"}]
    write_quarter(
        tmp_path, "2012Q4", [{}, {"CODUSU": "A2"}], homes, columns=[*(c for c in PERSON if c != "CH08"), "ANO4", "TRIMESTRE"]
    )
    result, tables = read_frames(tmp_path)
    home = tables["household"].set_index("household_id").loc[hand_id("A1", 1, 2012 * 4 + 3)]
    assert pd.isna(home.flood_prone)
    assert (home.rooms, home.housing_grade, home.water_safe) == (3, "A", True)
    assert tables["member"].health_cover.isna().all()
    assert result.frame().absent_columns.tolist() == ["II8, II9", "CH08, IDIMPP"]
    assert tables["village"].village_code.tolist() == [100032043002]


def test_files_of_other_names_are_told_by_their_columns(tmp_path):
    write_quarter(tmp_path / "in", "2008Q1", [{}])
    for file, name in (("hogar_a08t1", "homes"), ("indiv_a08t1", "people")):
        (tmp_path / "in" / f"{file}.tsv.gz").rename(tmp_path / f"{name}.tsv.gz")
    assert read_eph(tmp_path, connect()).frame().kind.tolist() == ["household", "person"]


def test_row_order_changes_nothing(tmp_path):
    rng = np.random.default_rng(2)
    names = [f"A{i}" for i in range(40)]
    for folder in ("sorted", "shuffled"):
        rng_values = np.random.default_rng(1)
        for quarter in ("2008Q1", "2008Q2"):
            homes = [
                {"CODUSU": n, "ITF": int(v), "PONDERA": int(v) % 7 + 1}
                for n, v in zip(names, rng_values.integers(0, 999, 40), strict=True)
            ]
            people = [{"CODUSU": n, "COMPONENTE": c, "CH06": 20 + c, "V5_M": 3 * c} for n in names for c in (1, 2)]
            homes.append(homes[3] | {"ITF": 5})  # a duplicate with another value
            if folder == "shuffled":
                rng.shuffle(homes)
                rng.shuffle(people)
            write_quarter(tmp_path / folder, quarter, people, homes)
    one, other = (read_eph(tmp_path / folder, connect()) for folder in ("sorted", "shuffled"))
    for name in TABLES:
        assert one.tables[name].to_pyarrow().equals(other.tables[name].to_pyarrow()), name
    assert one.frame().equals(other.frame())


def truncate(path):
    path.write_bytes(path.read_bytes()[:-9])


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: truncate(f / "indiv_a08t1.tsv.gz"), r"indiv_a08t1\.tsv\.gz (is truncated or damaged|cannot be read)"),
        (
            lambda f: flip_a_byte(f / "hogar_a08t1.tsv.gz"),
            r"hogar_a08t1\.tsv\.gz (is truncated or damaged|cannot be read|is not UTF)",
        ),
        (lambda f: (f / "hogar_a08t1.tsv.gz").write_bytes(b"no gzip"), r"hogar_a08t1\.tsv\.gz cannot be read as gzip"),
        (lambda f: (f / "hogar_a08t1.tsv.gz").write_bytes(gzip.compress(b"")), r"hogar_a08t1\.tsv\.gz is empty"),
        (lambda f: (f / "indiv_a08t1.tsv.gz").unlink(), r"2008Q1 has no person file \(there is hogar_a08t1\.tsv\.gz\)"),
        (lambda f: (f / "hogar_a08t1.tsv.gz").rename(f / "x"), r"2008Q1 has no household file"),
        (lambda f: (f / "hogar.tsv.gz").write_bytes((f / "hogar_a08t1.tsv.gz").read_bytes()), r"2008Q1 has 2 household files"),
        (
            lambda f: (f / "hogar_a08t1.tsv.gz").rename(f / "hogar_a09t1.tsv.gz"),
            r"holds 2008Q1, which is not the quarter of its name",
        ),
        (lambda f: write_file(f / "notes.tsv.gz", [{"A": 1}]), r"notes\.tsv\.gz is neither a household nor a person file"),
        (lambda f: write_file(f / "hogar_a08t2.tsv.gz", [HOUSEHOLD]), r"hogar_a08t2\.tsv\.gz lacks column ANO4, TRIMESTRE"),
        (lambda f: [p.unlink() for p in f.glob("*.gz")], r"no EPH files"),
    ],
)
def test_a_folder_that_cannot_be_read_says_why(tmp_path, spoil, message):
    write_quarter(tmp_path, "2008Q1", [{"COMPONENTE": i} for i in range(1, 30)], [{"CODUSU": f"A{i}"} for i in range(1, 30)])
    con = connect()
    spoil(tmp_path)
    with pytest.raises(IngestError, match=message):
        read_eph(tmp_path, con)
    assert con.list_tables() == []


def test_a_file_with_wrong_rows_is_refused_without_showing_them(tmp_path):
    when = {"ANO4": 2008, "TRIMESTRE": 1}
    write_quarter(tmp_path, "2008Q1", [{}], raw_lines=["SECRET\t1"])
    with pytest.raises(IngestError, match=r"indiv_a08t1\.tsv\.gz: line 3 has 2 cells, the header has 29") as failure:
        read_eph(tmp_path, connect())
    assert "SECRET" not in str(failure.value)
    write_file(tmp_path / "indiv_a08t1.tsv.gz", [PERSON | when, PERSON | when | {"TRIMESTRE": 2}])
    with pytest.raises(IngestError, match=r"indiv_a08t1\.tsv\.gz: 1 rows are not of 2008Q1"):
        read_eph(tmp_path, connect())
    write_file(tmp_path / "indiv_a08t1.tsv.gz", [{c: v for c, v in (PERSON | when).items() if c not in ("P21", "CH06")}])
    with pytest.raises(IngestError, match=r"indiv_a08t1\.tsv\.gz lacks column CH06, P21, which a person file needs"):
        read_eph(tmp_path, connect())


def test_what_cannot_be_meant_is_refused(tmp_path):
    with pytest.raises(UsageError, match="run backwards"):
        read_eph(tmp_path, connect(), quarters=("2009Q1", "2008Q4"))
    with pytest.raises(UsageError, match="write it like 2008Q1"):
        read_eph(tmp_path, connect(), quarters=("2009Q5", "2010Q1"))
    with pytest.raises(UsageError, match="not by sqlite"):
        read_eph(tmp_path, ibis.sqlite.connect())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: d["member"]["employment"][0].update(value="boss"), ContractError, "member.employment: 'boss'"),
        (lambda d: d["income"]["items"][0].update(item="salary"), ContractError, "income.item: 'salary'"),
        (lambda d: d["delivery"]["tables"].append("prices"), ContractError, "delivery.table_name: 'prices'"),
        (lambda d: d.update(incomes=1), UnknownNameError, "did you mean 'income'"),
        (lambda d: d.update(schema=2), ContractError, "is of schema 2"),
        (lambda d: d.pop("line"), ContractError, "not a whole mapping"),
        (lambda d: d["files"]["person"]["roles"].pop("sex"), ContractError, "names no column for sex"),
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path, change, error, message):
    document = yaml.safe_load((data_folder("data_contracts") / "sources" / "eph" / "mapping.yaml").read_text(encoding="utf-8"))
    change(document)
    file = tmp_path / "mapping.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(error, match=message):
        load_eph_mapping(file)
