"""`python -m returnrisk.cli`."""

from returnrisk.cli import main

main()
