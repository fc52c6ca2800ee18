"""Command line: parse, call `project`, show progress, end with an exit code.

0 done · 1 failed with a reason · 2 usage · 3 data or check findings · 4 gate refused.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from returnrisk.cli.account import show_account
from returnrisk.cli.audit import check_drift, check_leakage, check_stability, reproduce, verify
from returnrisk.cli.backtest import backtest_models
from returnrisk.cli.common import app, audit_app, benchmark_app, export_app, models_app, policy_app
from returnrisk.cli.counties import demo, eph, simulate
from returnrisk.cli.export import check_export, fields
from returnrisk.cli.policy import check_policy, show_policy
from returnrisk.cli.recalibrate import recalibrate_model
from returnrisk.cli.screening import screen
from returnrisk.cli.stages import evaluate, ingest, init, list_models, promote, report, rollback, run, score, train, visits
from returnrisk.cli.tune import tune
from returnrisk.cli.what_if import ask_what_if
from returnrisk.errors import ReturnRiskError, UsageError

__all__ = [
    "app",
    "ask_what_if",
    "audit_app",
    "backtest_models",
    "benchmark_app",
    "check_drift",
    "check_export",
    "check_leakage",
    "check_policy",
    "check_stability",
    "demo",
    "eph",
    "evaluate",
    "export_app",
    "fields",
    "ingest",
    "init",
    "list_models",
    "main",
    "models_app",
    "policy_app",
    "promote",
    "recalibrate_model",
    "report",
    "reproduce",
    "rollback",
    "run",
    "score",
    "screen",
    "show_account",
    "show_policy",
    "simulate",
    "train",
    "tune",
    "verify",
    "visits",
]


def main() -> None:
    """Entry point: run a command, print errors of this package as one message, end with its exit code."""
    from cyclopts import CycloptsError

    try:
        code = app(exit_on_error=False, result_action="return_value")
    except CycloptsError:
        sys.exit(UsageError.exit_code)
    except ReturnRiskError as error:
        print(f"错误 / error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(
            f"错误 / error: {error.strerror or error}{f' ({Path(error.filename).name})' if error.filename else ''}", file=sys.stderr
        )
        sys.exit(1)
    except Exception as error:
        # a library's message may quote cells: only its kind is shown, unless the user asks for all of it
        if os.environ.get("RETURNRISK_TRACEBACK"):
            raise
        print(f"错误 / error: {type(error).__name__}; RETURNRISK_TRACEBACK=1 显示详情 / shows all of it", file=sys.stderr)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
