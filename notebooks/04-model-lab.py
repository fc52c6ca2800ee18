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
# # 模型实验室 · The model lab
#
# 分析员在换模型之前要问的：比县里本来会用的办法好吗？概率可以当比例读吗？和真实概率差多少？帮扶是否掩盖了风险？哪个部门的数据没到会怎样？数据是模拟的，所以真实概率是已知的。
# 概率的含义见 docs/probability.md。
#
# What an analyst asks before a model is used: is it better than what the county would do anyway? May its probability be read as a share? How far is it from the true
# one? Does help hide risk? What if a department's files do not come? The county is simulated, so the true probabilities are known. What a
# probability means: docs/probability.md.

# %%
import datetime as dt
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import returnrisk
from returnrisk.backtest import BacktestSettings
from returnrisk.config import load_model_spec
from returnrisk.missing_sources import missing_source_table
from returnrisk.resources import data_folder
from returnrisk.simulate import ceiling, default_parameters, simulate_county, states_at, true_risk, write_inbox
from returnrisk.store.pseudonyms import pseudonymise, read_key
from returnrisk.timeline import add_months, month_end
from returnrisk.training import labelled_rows
from returnrisk.untreated import without_support

pd.set_option("display.max_columns", 30, "display.max_colwidth", 60, "display.precision", 3)

# %% [markdown]
# ## 1 县 · The county
#
# 六年半的文件；历史短，规格里校准两天、检验一天（随包规格各四天）。 · Six and a half years of files; the history is short, so the specifications have two days to
# calibrate and one to test on (the shipped ones have four each).

# %%
home = tempfile.TemporaryDirectory()
project = returnrisk.init_project(Path(home.name, "county"), county_zh="模拟县", county_en="Simulated County", synthetic=True)
start, months, households = dt.date(2018, 10, 1), 78, 1800
today = month_end(add_months(start, months - 1))
write_inbox(simulate_county(n_households=households, months=months, start=start, seed=0), project.root / "inbox")
names = ["fall-12m", "fall-12m-logistic-short", "fall-12m-scorecard"]
(project.root / "models").mkdir(exist_ok=True)
for name in names:
    text = (data_folder("models") / f"{name}.toml").read_text(encoding="utf-8")
    for part, days in (("n_calibrate", 2), ("n_test", 1)):
        text = text.replace(f"{part} = {getattr(load_model_spec(name).split, part)}\n", f"{part} = {days}\n")
    (project.root / "models" / f"{name}.toml").write_text(text, encoding="utf-8")
ingested = project.ingest()
ingested.report.frame()[["n_input", "n_accepted", "n_duplicate", "n_quarantined"]].sum()

# %% [markdown]
# ## 2 往期检验 · Backtest
#
# 站在过去的某天，用当时已知的结果学习，看之后发生了什么。评分卡可以手工计算；收入排序是县里本来就能做的。
#
# Stand on a past day, learn from outcomes known by then, look at what came after. The scorecard can be added up by hand; ranking by income is what a county
# can do anyway. An interval that holds 0 says that two models cannot be told apart.

# %%
backtest = project.backtest(names, settings=BacktestSettings(n_origins=2, step_months=6, n_bootstrap=200))[0]
backtest.frame()

# %%
backtest.found.choice.frame()

# %% [markdown]
# ## 3 校准 · Calibration
#
# 把检验日的户按风险分成十组：预测的与发生的。 · Households of the test day in tenths of risk: predicted against observed.

# %%
training = project.train(as_of=today).training
tested = training.accuracy.predictions.copy()
tested["tenth"] = pd.qcut(tested["p_model"].rank(method="first"), 10, labels=range(1, 11))
by_tenth = tested.groupby("tenth", observed=True).agg(
    households=("y", "size"), predicted=("p_model", "mean"), observed=("y", "mean")
)
by_tenth

# %% [markdown]
# ## 4 与真实概率相比 · Against the true probability
#
# 同一天的状态重演三百次：照常帮扶，以及不再有新的帮扶。上限是真实概率本身的 AUC，没有模型能超过。
#
# The day's state is lived again three hundred times: with help as it goes, and without new help. The ceiling is the AUC of the true
# probability itself; no model passes it.

# %%
day = training.split.test[-1]
state = states_at([day], n_households=households, start=start, seed=0)[day]
truths = {
    name: true_risk(state, parameters=default_parameters(), n_futures=300, new_support=new)
    for name, new in (("with help as it goes", True), ("without new help", False))
}
pd.concat({name: ceiling([truth]).frame() for name, truth in truths.items()}, names=["future", ""]).reset_index(level=0)

# %%
key = read_key(project.root / "pseudonym.key")
compared = tested.loc[tested["as_of"] == pd.Timestamp(day), ["household_id", "y", "p_model", "p_income", "tenth"]]
for name, truth in truths.items():
    frame = truth.frame()
    frame["household_id"] = frame["household_id"].map(pseudonymise(frame["household_id"].tolist(), kind="household", key=key))
    compared = compared.merge(frame[["household_id", "p_fall"]].rename(columns={"p_fall": name}), on="household_id")
risk_by_tenth = compared.groupby("tenth", observed=True)[["p_model", *truths]].mean()

# %%
figure, axis = plt.subplots(figsize=(7, 4))
for name, marker in (("p_model", "o"), ("with help as it goes", "s"), ("without new help", "^")):
    axis.plot(risk_by_tenth.index.astype(int), risk_by_tenth[name], marker=marker, label=name)
axis.set(xlabel="tenth of the model's risk", ylabel="mean probability of falling", title=f"{day}: {len(compared)} households")
axis.legend()
plt.show()

# %% [markdown]
# 没有新帮扶，最高一组的风险更高：观测到的结果里，有人因为及时得到帮扶而没有跌破。规格里写 `estimand = "untreated"` 可估计后者（假定没有未记录的混杂；见 docs/untreated.md）。
#
# Without new help the riskiest tenth is at more risk: among what is observed, some did not fall because help came in time. `estimand = "untreated"` in a specification
# estimates the latter (assuming no unmeasured confounding: docs/untreated.md).

# %% [markdown]
# 账面上把现有补助拿掉（算术，不是效果）： · Existing support taken out of the account (arithmetic, not an effect):

# %%
account = without_support(project.store().as_of(today))
account[["below", "below_without"]].mean()

# %% [markdown]
# ## 5 缺一个来源 · Without one source
#
# 用全部数据学习，评分时某个部门的文件没到。 · Trained with all, scored without one department's files.

# %%
rows, _ = labelled_rows(project.store(), project.spec, [day], known_on=today, snapshots=project.snapshot)
table = missing_source_table(
    {"as trained": training.scores["model"]},
    rows,
    training.features,
    per_township=project.config.visits.per_township,
    sources=["medical", "employment", "subsidy"],
    n_bootstrap=100,
)
table[table["metric"].isin(["auc", "list_changed"])]

# %%
home.cleanup()
