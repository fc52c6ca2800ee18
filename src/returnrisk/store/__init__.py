"""The store: canonical tables as Parquet, versions resolved when written, and the only maker of as-of views."""
