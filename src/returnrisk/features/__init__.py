"""Features: one file per family, each a function of an as-of view, and the catalogue that says how to read every one of them."""
