"""Drawings as Vega-Lite specifications: aggregated frames in, JSON out, no pixels, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from returnrisk.reports.content import SCORE_ORDER
from returnrisk.reports.texts import either, text

FONT = "Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif"
# Okabe and Ito (2008): told apart with every common colour blindness; shapes and dashes tell them apart in black and white.
COLOURS = ("#0072B2", "#E69F00", "#555555", "#009E73", "#CC79A7")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2])
MUST_COLOUR, MODEL_COLOUR, UNSPLIT_COLOUR, LOT_COLOUR = "#D55E00", "#0072B2", "#B8B8B8", "#009E73"
MOST_BARS = 40


def javascript() -> str:
    """Vega, Vega-Lite and Vega-Embed once for all drawings, as the body of one script element."""
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)).replace(
        "</script", "<\\/script"
    )
    return f"(() => {{{bundle}\n}})();"


def specifications(frames: Mapping[str, pd.DataFrame], *, capacity: float | None) -> dict[str, str]:
    """JSON of every drawing by its name: make_up, calibration, lift. The same frames give the same text."""
    drawn = {
        "make_up": make_up(frames["make_up"]),
        "calibration": calibration(frames["calibration_curve"]),
        "lift": lift(frames["lift_curve"], capacity=capacity),
    }
    # "<" is escaped so that no text can end the script element that carries the JSON.
    return {
        name: json.dumps(_styled(chart), ensure_ascii=False, sort_keys=True).replace("<", "\\u003c")
        for name, chart in drawn.items()
    }


def calibration(curve: pd.DataFrame) -> Any:
    """Observed share against mean predicted probability, ten groups per score, with intervals; on the diagonal is right."""
    import altair as alt

    top = min(1.0, 1.05 * float(max(curve["mean_predicted"].max(), curve["high"].max())))
    data = _data(_with_labels(curve))
    x = alt.X("mean_predicted:Q", title=_axis("chart.predicted"), axis=_percent(), scale=alt.Scale(domain=[0, top], nice=False))
    y = alt.Y("observed:Q", title=_axis("chart.observed"), axis=_percent(), scale=alt.Scale(domain=[0, top], nice=False))
    base = alt.Chart(data).encode(x=x, color=_colour(curve))
    tooltip = [
        alt.Tooltip("label:N", title=text("chart.score").zh),
        alt.Tooltip("mean_predicted:Q", format=".1%", title=text("chart.predicted").zh),
        alt.Tooltip("observed:Q", format=".1%", title=text("chart.observed").zh),
        alt.Tooltip("low:Q", format=".1%"),
        alt.Tooltip("high:Q", format=".1%"),
        alt.Tooltip("n:Q", format=",.0f"),
    ]
    diagonal = (
        alt.Chart(_data(pd.DataFrame({"at": [0.0, top]}))).mark_line(color="#9A9A9A", strokeDash=[4, 4]).encode(x="at:Q", y="at:Q")
    )
    intervals = base.mark_rule(opacity=0.55, strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q")
    lines = base.mark_line(opacity=0.6, strokeWidth=1.5).encode(y=y, strokeDash=_dash(curve))
    points = base.mark_point(filled=True, size=70, opacity=1).encode(y=y, shape=_shape(curve), tooltip=tooltip)
    return alt.layer(diagonal, intervals, lines, points).properties(height=340)


def lift(curve: pd.DataFrame, *, capacity: float | None) -> Any:
    """Share of all falls that a list of each length finds; the diagonal is drawing lots."""
    import altair as alt

    starts = pd.DataFrame({"score": curve["score"].unique()}).assign(share=0.0, recall=0.0)
    drawn = pd.concat([starts, curve.loc[:, ["score", "share", "recall", "precision", "lift"]]], ignore_index=True)
    x = alt.X("share:Q", title=_axis("chart.share"), axis=_percent(), scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("recall:Q", title=_axis("chart.recall"), axis=_percent(), scale=alt.Scale(domain=[0, 1]))
    tooltip = [
        alt.Tooltip("label:N", title=text("chart.score").zh),
        alt.Tooltip("share:Q", format=".0%", title=text("chart.share").zh),
        alt.Tooltip("recall:Q", format=".1%", title=text("chart.recall").zh),
        alt.Tooltip("precision:Q", format=".1%", title=text("chart.precision").zh),
        alt.Tooltip("lift:Q", format=".1f", title=text("chart.lift").zh),
    ]
    lots = (
        alt.Chart(_data(pd.DataFrame({"at": [0.0, 1.0]}))).mark_line(color="#9A9A9A", strokeDash=[4, 4]).encode(x="at:Q", y="at:Q")
    )
    lines = (
        alt.Chart(_data(_with_labels(drawn)))
        .mark_line(strokeWidth=2.5)
        .encode(x=x, y=y, color=_colour(curve), strokeDash=_dash(curve), tooltip=tooltip)
    )
    layers = [lots, lines]
    if capacity is not None:
        here = alt.Chart(_data(pd.DataFrame({"share": [capacity], "words": [f"{text('chart.capacity').zh} {capacity:.0%}"]})))
        layers.append(here.mark_rule(color="#333333").encode(x="share:Q"))
        layers.append(
            here.mark_text(align="left", dx=5, baseline="bottom", y="height", dy=-4, color="#333333").encode(
                x="share:Q", text="words:N"
            )
        )
    return alt.layer(*layers).properties(height=340)


def make_up(published: pd.DataFrame) -> Any:
    """Households listed per township (per county where there are many), by kind, against the capacity."""
    import altair as alt

    level = "township" if (published["level"] == "township").sum() <= MOST_BARS else "county"
    areas = published.loc[published["level"] == level]
    names = [name or str(code) for name, code in zip(areas["area_name"], areas["area_code"], strict=True)]
    known = areas["must_visit_low"] == areas["must_visit_high"]
    parts = {
        "chart.must_visit": areas["must_visit_low"].where(known, 0),
        "chart.by_model": areas["model_low"].where(known, 0),
        "chart.unsplit": (areas["listed"] - areas["random"]).where(~known, 0),
    }
    colours = [MUST_COLOUR, MODEL_COLOUR, UNSPLIT_COLOUR]
    if (areas["random"] > 0).any():
        parts["chart.by_lot"] = areas["random"]
        colours.append(LOT_COLOUR)
    labels = [_axis(key) for key in parts]
    long = pd.concat(
        [
            pd.DataFrame({"area": names, "part": _axis(key), "order": place, "n": n.to_numpy()})
            for place, (key, n) in enumerate(parts.items())
        ],
        ignore_index=True,
    )
    y = alt.Y("area:N", title=None, sort=names)
    bars = (
        alt.Chart(_data(long.loc[long["n"] > 0]))
        .mark_bar(height={"band": 0.66})
        .encode(
            x=alt.X("n:Q", title=_axis("chart.listed"), axis=alt.Axis(tickMinStep=1, tickCount=8), stack="zero"),
            y=y,
            order="order:Q",
            color=alt.Color(
                "part:N",
                title=None,
                sort=labels,
                scale=alt.Scale(domain=labels, range=colours),
            ),
            tooltip=[alt.Tooltip("area:N"), alt.Tooltip("part:N"), alt.Tooltip("n:Q")],
        )
    )
    capacities = alt.Chart(_data(pd.DataFrame({"area": names, "capacity": areas["capacity"].to_numpy()})))
    ticks = capacities.mark_tick(color="#000000", thickness=2, height={"band": 0.9}).encode(x="capacity:Q", y=y)
    return alt.layer(bars, ticks).properties(height=22 * max(len(names), 1))


def _data(frame: pd.DataFrame) -> Any:
    """Rows written into the specification, in their order: hashed dataset names would hide what a drawing shows."""
    import altair as alt

    return alt.InlineData(values=json.loads(frame.to_json(orient="records", double_precision=10, force_ascii=False)))


def _styled(chart: Any) -> dict[str, Any]:
    labels = {"labelFont": FONT, "titleFont": FONT, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    styled = chart.properties(width="container", autosize={"type": "fit-x", "contains": "padding"}).configure(
        font=FONT,
        background="transparent",
        axis=labels | {"gridColor": "#E3E3E3", "domainColor": "#777777", "labelLimit": 110},
        legend=labels
        | {
            "orient": "bottom",
            "direction": "vertical",
            "title": None,
            "labelLimit": 460,
            "symbolStrokeWidth": 2,
            "symbolOpacity": 1,
        },
        view={"stroke": None},
    )
    specification: dict[str, Any] = styled.to_dict()
    return specification


def _axis(key: str) -> str:
    return f"{text(key).zh} {text(key).en}"


def _percent() -> Any:
    import altair as alt

    return alt.Axis(format=".0%", tickCount=6)


def _scores(frame: pd.DataFrame) -> list[str]:
    found = set(frame["score"])
    return [score for score in SCORE_ORDER if score in found] + sorted(found - set(SCORE_ORDER))


def _label(score: str) -> str:
    words = either(f"score.{score}", otherwise=score)
    return words.zh if words.zh == words.en else f"{words.zh} {words.en}"


def _with_labels(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(label=frame["score"].map(_label))


def _encoded(frame: pd.DataFrame, kind: Any, values: tuple[Any, ...]) -> Any:
    """One look per score, the same in every drawing; colour, shape and dash share one legend."""
    import altair as alt

    labels = [_label(score) for score in _scores(frame)]
    looks = [values[place % len(values)] for place in range(len(labels))]
    return kind("label:N", title=None, sort=labels, scale=alt.Scale(domain=labels, range=looks))


def _colour(frame: pd.DataFrame) -> Any:
    import altair as alt

    return _encoded(frame, alt.Color, COLOURS)


def _shape(frame: pd.DataFrame) -> Any:
    import altair as alt

    return _encoded(frame, alt.Shape, SHAPES)


def _dash(frame: pd.DataFrame) -> Any:
    import altair as alt

    return _encoded(frame, alt.StrokeDash, DASHES)
