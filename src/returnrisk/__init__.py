"""returnrisk: which rural households are about to fall back into poverty, found early and explained (防止返贫监测).

>>> import returnrisk
>>> "open_project" in dir(returnrisk)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from returnrisk.project import Project, init_project, open_project

__all__ = ["Project", "init_project", "open_project"]


def __getattr__(name: str) -> Any:
    """Load the project interface on first use, so that importing the package stays quick."""
    if name in __all__:
        from returnrisk import project

        return getattr(project, name)
    raise AttributeError(f"module 'returnrisk' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
