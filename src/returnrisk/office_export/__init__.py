"""Export to the system a county already has, in a layout that a mapping file describes; and what need not be entered again.

    layout = load_export_mapping("national-style", folder=Path("export"))     # a county's own folder, then the shipped ones
    export_screening(found, mapping=layout, view=view, folder=Path("outputs/2025-07-31/national-style"))
    no_reentry(view, mapping=layout)

Rows that a layout cannot hold are left out, each with a code (`codes.CODES`); nothing is cut short or guessed. Identity numbers are
never in the store and can never be exported.
"""

from returnrisk.office_export.codes import CODES, MappingProblem
from returnrisk.office_export.export import ExportResult, export_screening
from returnrisk.office_export.identities import check_identities, household_numbers, read_household_numbers
from returnrisk.office_export.mapping import (
    ExportColumn,
    ExportFile,
    ExportMapping,
    check_export_mapping,
    export_mappings,
    load_export_mapping,
)
from returnrisk.office_export.reentry import ENTRIES, no_reentry

__all__ = ["CODES", "ENTRIES", "ExportColumn", "ExportFile", "ExportMapping", "ExportResult", "MappingProblem", "check_export_mapping", "check_identities", "export_mappings", "export_screening", "household_numbers", "load_export_mapping", "no_reentry", "read_household_numbers"]  # fmt: skip
