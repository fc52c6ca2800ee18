# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 数据与真相 · Data and truth
#
# 部门文件到了多少、脏在哪里；哪些村看得少；数据里的陷阱改变了什么；哪些返贫是可以预见的，哪些不能。县是模拟的，所以真相已知。
#
# What arrived from the departments and how dirty it was; which villages are seen less; what the traps in the data change; which falls
# could be foreseen and which could not. The county is simulated, so the truth is known; nobody in it exists.

# %%
import datetime as dt
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import returnrisk
from returnrisk.ingest.codes import CODES
from returnrisk.simulate import ceiling, default_parameters, fallen, falls_with_causes, simulate_county, states_at, true_risk
from returnrisk.simulate.messy import write_messy_inbox
from returnrisk.store.coverage import coverage
from returnrisk.timeline import add_months, month_end

pd.set_option("display.max_columns", 30, "display.max_colwidth", 60, "display.max_rows", 80, "display.precision", 3)

# %% [markdown]
# ## 1 部门文件 · The departments' files
#
# 六百户、三年，按各部门真实的样子写出：编码不一、表头不整、万元与元混用、证件号按数字存储、合计行……每一处脏都记在一把“钥匙”里。
#
# 600 households, three years, written as departments really send files: mixed encodings, untidy headers, 万元 beside 元, IDs stored as
# numbers, rows of totals … A key says what was planted where.

# %%
start, months, seed = dt.date(2021, 10, 1), 36, 4
today = month_end(add_months(start, months - 1))
county = simulate_county(n_households=600, months=months, start=start, seed=seed)
home = tempfile.TemporaryDirectory()
project = returnrisk.init_project(Path(home.name, "county"), county_zh="模拟县", county_en="Simulated County", synthetic=True)
key = write_messy_inbox(county, project.root / "inbox")
ingested = project.ingest()
ingested.report.frame()

# %% [markdown]
# 种下的脏与它的去向 · What was planted, and what is to become of it.

# %%
key.frame()

# %% [markdown]
# 等着部门更正的行：为什么 · Rows that wait for their office, and why. 不含任何单元格内容 · no cell's content is shown.

# %%
waiting = ingested.report.quarantine.groupby(["table_name", "code"]).size().rename("rows").reset_index()
waiting.assign(zh=[CODES[code].text_zh if code in CODES else "" for code in waiting["code"]])

# %% [markdown]
# ## 2 覆盖 · Coverage by source and by village
#
# 缺一张表是常态，也是信息：没有送到不等于没有发生。
#
# A missing source is normal and informative: what was not delivered has not therefore not happened.

# %%
view = project.store().as_of(today)
coverage(view)[["table_name", "zh", "n_files", "n_rows", "n_quarantined", "first_period", "last_period", "delivered_share"]]

# %% [markdown]
# 偏远村、民族聚居村被看见得少：同样的户，线索与走访的记录更少。
#
# Remote and minority villages are seen less: the same households, fewer signals and visits on file.

# %%
homes = view.table("household").select("household_id", "village_code")
places = view.table("village").select("village_code", "village_name", "remote", "minority_area").to_pandas()
seen = homes.group_by("village_code").agg(households=homes.count()).to_pandas().merge(places, on="village_code")
for table in ("income", "medical", "signal", "visit", "monitoring"):
    rows = view.table(table)
    if "household_id" not in rows.columns:
        roster = view.table("household_roster").select("person_id", "household_id").distinct()
        rows = rows.inner_join(roster, "person_id")
    counted = rows.inner_join(homes, "household_id").group_by("village_code").agg(n=lambda t: t.count()).to_pandas()
    seen[table] = seen["village_code"].map(counted.set_index("village_code")["n"]).fillna(0) / seen["households"]
seen["place"] = seen["remote"].map({True: "偏远 remote", False: "其他 other"})
seen.groupby("place")[["income", "medical", "signal", "visit", "monitoring"]].mean()  # rows a household

# %% [markdown]
# ## 3 陷阱 · What the traps do
#
# 每个陷阱都有开关；同样的随机数，只改一处。帮扶使风险看不见：撤去有针对性的帮扶，跌破监测线的户明显增多。
#
# Every trap has a switch; the same random numbers, one change. Help hides risk: without targeted measures more households fall.

# %%
without = simulate_county(
    n_households=600, months=months, start=start, seed=seed, parameters=default_parameters().changed({"support.targeted": False})
)
day = add_months(today, -12)
falls = {
    name: fallen(made.truth, as_of=day)["fell"].agg(["mean", "sum", "size"])
    for name, made in (("有帮扶 with measures", county), ("无帮扶 without", without))
}
pd.DataFrame(falls).T.rename(columns={"mean": "share", "sum": "falls", "size": "at_risk"})

# %% [markdown]
# 一县一年的实际结果掺着运气；真实的概率要把未来重新走很多遍（见下）。
#
# One county's year is full of luck; the true probability takes many futures of the same day (below).
#
# ## 4 真相 · The truth
#
# 从同一天的状态出发，把未来十二个月重走三百遍（文档里用两千遍）：每户跌破监测线的真实概率。
#
# From the state of one day the next twelve months are lived three hundred times (two thousand in the docs): every household's true
# probability of falling.

# %%
parameters = default_parameters()
state = states_at([day], n_households=600, start=start, seed=seed)[day]
as_it_goes = true_risk(state, parameters=parameters, n_futures=300, seed=1)
unhelped = true_risk(state, parameters=parameters, n_futures=300, seed=1, new_support=False)
pd.DataFrame(
    {
        "照常 as things go": as_it_goes.frame()["p_fall"].describe(),
        "不再新增帮扶 no new support": unhelped.frame()["p_fall"].describe(),
    }
)

# %%
ceiling([as_it_goes, unhelped]).frame()

# %% [markdown]
# 谁也不能比这个上限排得更好：`expected` 是知道一切、只不知道运气的人的 AUC。
#
# Nobody can rank better than this ceiling: `expected` is the AUC of somebody who knew everything but the luck to come.

# %%
truth = as_it_goes.frame()
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
axes[0].hist(truth["p_fall"], bins=40, color="#456990")
axes[0].set(yscale="log", xlabel="true probability of falling", ylabel="households", title="most risks are small")
days = [add_months(today, -months) for months in (12, 18, 24)]
causes = pd.concat([falls_with_causes(county, as_of=d) for d in days])
known = causes.groupby("cause")[["struck_before", "on_file_at_day"]].mean().assign(falls=causes.groupby("cause").size())
known = known.sort_values("falls")
axes[1].barh(known.index, known["falls"], color="#cccccc", label="falls")
axes[1].barh(known.index, known["falls"] * known["on_file_at_day"], color="#ef767a", label="cause on file on the day")
axes[1].set(title="what made them fall (three days), and who could know")
axes[1].legend()
figure.tight_layout()

# %%
known.sort_values("falls", ascending=False)

# %% [markdown]
# 多数跌破在那一天还没有可见的原因：名单不可能找到全部的户，当日上门和主动申报不能少。
#
# Most falls have no visible cause on the day yet: no list can find them all; visits on the day of an emergency and self-reports stay
# necessary.

# %%
home.cleanup()
