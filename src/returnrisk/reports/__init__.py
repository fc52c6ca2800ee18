"""What people read: the township's printed list and the one-page report. Nothing else in the package draws or writes words."""
