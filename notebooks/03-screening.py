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
# # 规则与筛查 · The rules, and the screening
#
# 不用模型，规则也说得出必须看谁：规则包、两本账、分类、部门预警、减收排查、逐级汇总。县是模拟的，无一真户。一切结果都是线索，由人核实。
#
# What the county must look at in any case, with or without a model: the pack, the two accounts, categories, alerts, the income-decline
# screening, the roll-up. The county is simulated; nobody in it exists. Everything is a lead that people verify.

# %%
import datetime as dt
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import returnrisk
from returnrisk.policy import load_policy
from returnrisk.screening import ALERT_STATES
from returnrisk.simulate import simulate_county, write_inbox

pd.set_option("display.max_columns", 30, "display.max_colwidth", 60, "display.max_rows", 80, "display.precision", 3)

day = dt.date(2024, 7, 28)
county = simulate_county(n_households=600, months=34, start=dt.date(2021, 10, 1), seed=5)
home = tempfile.TemporaryDirectory()
project = returnrisk.init_project(Path(home.name, "county"), county_zh="模拟县", county_en="Simulated County", synthetic=True)
write_inbox(county, project.root / "inbox")
project.ingest().frame().sum(numeric_only=True)

# %% [markdown]
# ## 1 规则是数据 · The rules are data
#
# 每个数都有单位、日期、出处，并写明是规定还是假定。
#
# Every number has a unit, a day, a source, and says whether it is a rule or assumed.

# %%
rules = project.policy.frame(day)
rules[["name", "label_zh", "value", "unit", "kind", "valid_from", "document"]].head(12)

# %% [markdown]
# 同一天，三个规则包并不相同 · On the same day the packs differ.

# %%
packs = {name: load_policy(name, None).frame(day).set_index("name") for name in ("national", "gansu-style", "guangxi-style")}
values = pd.DataFrame({name: frame["value"] for name, frame in packs.items()})
differs = values[values.astype(str).nunique(axis=1) > 1]
differs.assign(label=packs["national"]["label_zh"])

# %% [markdown]
# ## 2 筛查 · The screening
#
# 一次读完全部事实；写出工作簿、页面、逐户表。
#
# One reading of the facts; workbooks, a page and tables by household are written.

# %%
result = project.screen(as_of=day)
found = result.screening
result.frame()[["area_zh", "n_screened", "n_fall", "fall_share", "n_unknown", "same_change_share", "n_alerts", "n_new_alerts"]]

# %%
sorted(p.relative_to(result.folder).as_posix() for p in result.folder.rglob("*") if p.is_file())[:12]

# %% [markdown]
# ## 3 两本账 · Two accounts
#
# 监测线看人均纯收入，低保看可计算收入：同一户，两个数，每一项都写得出来。
#
# The monitoring line looks at net income, 低保 at countable income: one household, two figures, every item named.

# %%
falling = result.screening.frame().query("verdict == 'fall'").sort_values("change_cny")
house = int(falling["household_id"].iloc[0])
register, assistance = (project.account(house, as_of=day, account=a) for a in ("register_net", "assistance_countable"))
print(f"{register.starts_on} – {register.ending_on}: {register.net_cny} / {assistance.net_cny} CNY, {register.n_members} members")
assistance.frame()[["part_zh", "source_zh", "item_zh", "gross_cny", "cost_cny", "amount_cny", "assumed"]]

# %% [markdown]
# ## 4 分类：是、否、无法判断 · Categories: yes, no, cannot tell
#
# 缺了什么写在旁边；无法判断从不当作否。
#
# What is missing is named; cannot tell is never no.

# %%
areas = result.rollup.categories
areas[areas["level"] == "county"][["zh", "en", "n_yes", "n_no", "n_cannot_tell"]]

# %%
answers = found.categories.to_pandas()
answers[answers["answer"].isna()].groupby(["category", "missing_fields"]).size().sort_values(ascending=False).head(8)

# %% [markdown]
# ## 5 预警 · Alerts
#
# 每条预警写明依据哪些记录、哪个部门、何时到期；同样的事实不会再报一次；办结只能由部门申请、县级批准。
#
# Every alert names its records, its office and its due day; the same facts never raise a second one; only the department's application
# and the county's approval close it.

# %%
columns = ["title_zh", "office", "raised_on", "due_on", "state", "evidence_zh"]
found.alerts.drop_duplicates("rule")[columns]  # one of every rule that raised something

# %%
found.alerts.groupby(["title_zh", "state"]).size().unstack(fill_value=0).reindex(columns=list(ALERT_STATES), fill_value=0)

# %% [markdown]
# 加一条规则不用写代码：写进县里的规则包即可 · A new rule needs no code: it goes into the county's pack.

# %%
own = """schema: 1
name: jia-county
title: {zh: 甲县, en: Jia County}
parent: national
alerts:
  job_lost: {on: true}
  two_shocks:
    title: {zh: 一年内两次受灾, en: two disasters within a year}
    on: true
    kind: assumed
    office: 应急局
    channel: department
    cause: disaster
    must_visit: true
    facts:
      - {table: disaster, per: household, count: rows, window: {months: 12}, over: 1}
"""
(project.root / "policy").mkdir()
(project.root / "policy" / "jia-county.yaml").write_text(own, encoding="utf-8")
jia = load_policy("jia-county", project.root / "policy")
since = project.screen_since(as_of=day, since=dt.date(2024, 1, 1), policy=jia)
since.found.rules.set_index("rule").loc[["job_lost", "two_shocks"]]

# %% [markdown]
# ## 6 减收排查 · The income-decline screening
#
# 分来源、同期与全年预计对上年；十项原因可多选，各有依据；第九项写的是部门的责任。
#
# Source by source, same period and projected year against last year; ten causes, several per household, each with its evidence; the ninth
# is the office's failure.

# %%
changes = found.income.frame("changes")
changes[changes["household_id"] == house][["source", "last_cny", "same_last_cny", "same_this_cny", "projected_cny", "verdict"]]

# %%
causes = found.income.frame("causes")
causes[causes["household_id"] == house][["number", "text_zh", "explained_cny"]]

# %%
county_causes = result.rollup.causes.query("level == 'county'").set_index("cause_zh")
towns = result.frame()
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
axes[0].bar(range(len(towns)), towns["fall_share"], color="#456990")
axes[0].set(title="share of households with a fall, by township", xlabel="township", ylabel="share of those that can be judged")
shown = county_causes.sort_values("n_households")
axes[1].barh(shown["cause_en"], shown["n_households"], color="#ef767a")
axes[1].set(title="causes (several per household)")
figure.tight_layout()

# %%
county_causes[["number", "n_households", "share"]]

# %% [markdown]
# 这些原因有多可信？模拟县的冲击已知，对照见 `docs/screening.md`。
#
# How far can the causes be trusted? Against the simulator's known shocks: `docs/screening.md`.

# %%
home.cleanup()
