"""Where contracts and model specifications lie: inside an installed wheel, or at the top of a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from returnrisk.errors import ConfigError


@cache
def data_folder(name: str) -> Path:
    """Folder of shipped data (`data_contracts` or `models`).

    Raises
    ------
    ConfigError
        Neither the wheel's copy nor a checkout's folder exists: the installation is damaged.

    Examples
    --------
    >>> data_folder("data_contracts").joinpath("income.yaml").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_data" / name, package.parents[1] / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"the installed package carries no '{name}' folder: reinstall returnrisk")
