"""Data contracts: ODCS YAML to frozen dataclasses, and contracts to checks that run inside the engine.

A contract says of one canonical table what its columns are, which may be empty, what range or code list they keep to, what makes
a row unique and what it refers to. The same compiled checks quarantine rows at ingest and refuse a finished table.

Codes of failures: CON001 required value missing · CON002 not in the code list · CON003 out of range · CON004 not of the stated
form · CON005 key not unique · CON006 refers to a row that does not exist · CON007 two fields contradict each other · CON008 column
missing, unknown or of another type.

Source: Open Data Contract Standard v3.1.0.
"""

from returnrisk.contracts.checks import Check, check_table, orphan_rows, row_checks
from returnrisk.contracts.model import Contract, Field, RowRule, WideColumn
from returnrisk.contracts.parsing import load_contracts, load_order, parse_contract
from returnrisk.contracts.refused import REFUSED_WORDS, refused_word

__all__ = [
    "REFUSED_WORDS",
    "Check",
    "Contract",
    "Field",
    "RowRule",
    "WideColumn",
    "check_table",
    "load_contracts",
    "load_order",
    "orphan_rows",
    "parse_contract",
    "refused_word",
    "row_checks",
]
