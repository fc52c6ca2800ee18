"""Draw the two estimands beside the truth: python benchmarks/untreated_figure.py FOLDER [FOLDER ...] --to docs/two-estimands.svg.

Each folder is a county that `benchmarks/untreated.py` has measured (`compared.parquet`). Households near the line on file on the test day, the
once registered (whom help goes to) and the others: mean true probability without new support, and mean risk of the observed model, the
untreated one and the oracle. Means over the counties; bars: 95% of 200 draws of villages within each county.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from untreated import columns_of, drawn, near_risks

FONT = "Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif"
SHOWN = {  # top to bottom
    "true_untreated": "不再新增帮扶时的真值 truth, no new help",
    "untreated": "模型 model “untreated”",
    "oracle": "同一学习器，真值抽样 oracle",
    "observed": "模型 model “observed”",
    "true_observed": "照现在帮扶的真值 truth, as helped",
}
GROUPS = {"registered": "曾建档户（多得帮扶）once registered: helped", "others": "其他户（少得帮扶）others: hardly helped"}
COLOURS = ("#000000", "#009E73", "#999999", "#0072B2", "#777777")
SHAPES = ("diamond", "circle", "cross", "square", "diamond")


def plotted(folders: list[Path]) -> pd.DataFrame:
    """One row per group and model: mean, low, high."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for folder in folders:
        rows = pd.read_parquet(folder / "compared.parquet")
        weights = drawn(rows)
        for model in SHOWN:
            by_column = [[near_risks(rows, column, w) for w in weights] for column in columns_of(model)]
            for group in GROUPS:
                draws = np.mean([[f[group] for f in one] for one in by_column], axis=0)
                found.setdefault((group, model), []).append(draws)
    out = []
    for (group, model), draws in found.items():
        mean = np.mean(draws, axis=0)
        low, high = np.percentile(mean[1:], [2.5, 97.5])
        out.append({"group": GROUPS[group], "model": SHOWN[model], "mean": mean[0], "low": low, "high": high})
    return pd.DataFrame(out)


def figure(frame: pd.DataFrame, n_counties: int) -> str:
    """The drawing as SVG."""
    import altair as alt
    import vl_convert

    order = list(SHOWN.values())
    colour = alt.Color("model:N", sort=order, legend=None, scale=alt.Scale(domain=order, range=list(COLOURS)))
    y = alt.Y("model:N", sort=order, title=None, axis=alt.Axis(labelLimit=420, ticks=False, domain=False))
    base = alt.Chart(frame).encode(y=y, color=colour)
    axis = alt.Axis(format=".0%", tickCount=6, title="未来12个月返贫致贫概率，均值 mean probability of falling within 12 months")
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", axis=axis, scale=alt.Scale(domain=[0, np.ceil(frame["high"].max() * 50 + 0.5) / 50], nice=False)),
        x2="high:Q",
    )
    shape = alt.Shape("model:N", sort=order, legend=None, scale=alt.Scale(domain=order, range=list(SHAPES)))
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(x="mean:Q", shape=shape)
    words = base.mark_text(dy=-11, fontSize=11).encode(x="mean:Q", text=alt.Text("mean:Q", format=".1%"))
    title = alt.Title(
        "帮扶会掩盖风险 Help hides risk",
        offset=12,
        subtitle=f"收入不到监测线1.35倍的户 households under 1.35 lines; {n_counties} simulated counties",
    )
    both = alt.layer(bars, dots, words).properties(width=430, height=170)
    row = alt.Row(
        "group:N", sort=list(GROUPS.values()), title=None, header=alt.Header(orient="top", labelAnchor="start", labelFontSize=13)
    )
    chart = both.facet(row=row, title=title)
    chart = chart.configure(font=FONT, background="white").configure_view(stroke="#dddddd").configure_axis(labelFontSize=12)
    return str(vl_convert.vegalite_to_svg(chart.to_json()))


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    asked = parser.parse_args()
    frame = plotted(asked.folders)
    print(frame.to_string())
    asked.to.write_text(figure(frame, len(asked.folders)), encoding="utf-8")


if __name__ == "__main__":
    main()
