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
# # 第一份优先走访名单 · A first priority visit list
#
# 从部门文件到名单：接收、快照、训练、评估、评分、理由、名单。数据是模拟的，没有真实农户。
# 名单只决定先走访谁，不决定任何人的待遇。
#
# From the departments' files to a list: ingest, snapshot, train, evaluate, score, reasons, list. The county is simulated; nobody in
# it exists. A list orders visits; it decides nothing about anybody.

# %%
import datetime as dt
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import shap

import returnrisk
from returnrisk.config import load_model_spec
from returnrisk.explain import explain_rows
from returnrisk.registry.serving import BundleScorer
from returnrisk.resources import data_folder
from returnrisk.simulate import simulate_county, write_inbox
from returnrisk.store.coverage import coverage
from returnrisk.timeline import add_months, month_end

pd.set_option("display.max_columns", 30, "display.max_colwidth", 80, "display.precision", 3)

# %% [markdown]
# ## 1 项目 · The project
#
# 真实项目：`returnrisk.open_project("文件夹")`。这里新建一个，放入模拟县五年多的文件；每个项目有自己的化名密钥。
#
# A real project is opened with `returnrisk.open_project("folder")`. Here a new one gets the files of a simulated county, a little over
# five years of them. Every project has its own pseudonym key.

# %%
home = tempfile.TemporaryDirectory()
project = returnrisk.init_project(Path(home.name, "county"), county_zh="模拟县", county_en="Simulated County", synthetic=True)
start, months = dt.date(2018, 10, 1), 66
files = write_inbox(simulate_county(n_households=1800, months=months, start=start, seed=0), project.root / "inbox")
today = month_end(add_months(start, months - 1))
f"{len(files)} files, {today}"

# %% [markdown]
# 历史较短，所以用自己的规格：校准两天、检验一天（随包规格各四天）。项目文件夹 `models/` 里的规格优先。
#
# The history is short, so this county has its own specification: two days to calibrate and one to test on (the shipped one has four
# each). A specification in the project's `models/` comes before the shipped one of the same name.

# %%
shipped = load_model_spec("fall-12m")
text = (data_folder("models") / "fall-12m.toml").read_text(encoding="utf-8")
text = text.replace(f"n_calibrate = {shipped.split.n_calibrate}\n", "n_calibrate = 2\n")
text = text.replace(f"n_test = {shipped.split.n_test}\n", "n_test = 1\n")
own = project.root / "models" / "fall-12m.toml"
own.parent.mkdir(exist_ok=True)
own.write_text(text, encoding="utf-8")
project.spec.outcome, project.spec.split

# %% [markdown]
# ## 2 接收 · Ingest
#
# 每一行都有下落：接收、重复、隔离，三者相加等于输入。
#
# Every row has one fate: accepted, duplicate or quarantined; the three add up to the input.

# %%
ingested = project.ingest()
rows = ingested.report.frame()
assert (rows["n_input"] == rows["n_accepted"] + rows["n_duplicate"] + rows["n_quarantined"]).all()
rows

# %% [markdown]
# 隔离的行：哪个文件、哪一行、为什么。不显示单元格的内容。 · Quarantined rows: which file, which row, why. Never the cell itself.

# %%
ingested.report.quarantine.head()

# %% [markdown]
# 当天已知的数据 · What was on file that day: rows, first and last period, share of townships that delivered in the last twelve months.

# %%
view = project.store().as_of(today)
coverage(view)[["table_name", "zh", "n_rows", "first_period", "last_period", "delivered_share"]]

# %% [markdown]
# ## 3 训练与评估 · Train and evaluate
#
# 在较早的日期上学习，在较晚的日期上校准，在最晚的日期上检验；中间留出一个预测期。
#
# Learn on earlier days, calibrate on later ones, test on the latest; one horizon is left empty in between.

# %%
trained = project.train(as_of=today)
trained.training.label_counts

# %% [markdown]
# 准确度不单独出现：总数、发生率、区间（按村重抽样）、仅收入和逻辑回归两个基线。
#
# No accuracy without its number of households, base rate, interval (villages resampled) and two baselines.

# %%
metrics = trained.training.frame()
metrics[metrics["metric"].isin(["auc", "average_precision", "recall_at_capacity", "brier", "ece"])]

# %%
trained.training.accuracy.overall.differences("income")

# %% [markdown]
# ## 4 名单 · The list
#
# 看过数字之后，由人把候选模型定为正式模型；名单只用正式模型。
#
# After a look at the figures a person makes the candidate the champion; lists are made with the champion only.

# %%
project.promote()
made = project.run(as_of=today)
made.scores.frame().groupby("stratum").agg(households=("household_id", "size"), mean_risk=("risk", "mean"))

# %%
visits = made.frame()
visits[["township_name", "village_name", "rank", "pseudonym", "kind", "tier", "risk", "reason_1_zh", "reason_1_en"]].head(10)

# %% [markdown]
# 名单的构成 · What the list is made of: must-visits (already below the line), chosen by risk, left out.

# %%
made.visits.visit_list.make_up()[["area_name", "capacity", "households", "monitored", "must_visit", "model", "listed", "left_out"]]

# %% [markdown]
# ## 5 一户的理由 · The reasons of one household
#
# 化名之下，风险最高的一户：本户的数值、比较值、记录日期、到户核实什么。
#
# The household of the highest risk, under its pseudonym: its value, what it is compared with, the day of the record, what to verify.

# %%
household = visits[visits["kind"] == "model"].sort_values("risk", ascending=False).iloc[0]
reasons = made.scores.reasons
own_reasons = reasons[reasons["household_id"] == household["household_id"]]
own_reasons[["position", "family", "contribution", "text_zh", "text_en", "verify_zh", "verify_en"]]

# %% [markdown]
# 同样的贡献值逐项画出（对数几率，校准前）；相加等于模型的分数。 · The same contributions item by item (log-odds, before calibration): they
# add up to the score.

# %%
_, bundle = project.model("champion")
snapshot = project.snapshot(today)
row = snapshot.frame().query("household_id == @household.household_id")
values = row[snapshot.names].to_numpy("float64")
learner = BundleScorer(bundle).learners["model"]
parts = explain_rows(learner, values)
assert abs(parts.base + parts.values.sum() - learner.decision_function(values)[0]) < 1e-6
explanation = shap.Explanation(
    values=parts.values[0], base_values=parts.base, data=values[0].round(2), feature_names=snapshot.names
)
shap.plots.waterfall(explanation, max_display=12, show=False)
plt.title(f"{household['pseudonym']}  risk {household['risk']:.0%}")
plt.show()

# %% [markdown]
# ## 6 文件 · The files
#
# 每个乡镇一个工作簿（只有它有姓名），同一名单的 Parquet（没有姓名），评估报告，以及校验和。
#
# One workbook per township (the only files with names), the same list as Parquet (without), the evaluator's report, and checksums.

# %%
sorted(p.relative_to(project.root).as_posix() for p in project.output_folder(today).rglob("*") if p.is_file())

# %% [markdown]
# 每月一次 · Every month: put the new files into `inbox/`, then `returnrisk run --as-of DAY`. 重复运行得到同样的文件。 · Running it again gives
# the same files.

# %%
home.cleanup()
