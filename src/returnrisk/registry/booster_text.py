"""Is a LightGBM model text whole? Asked before LightGBM's parser sees it: a truncated text kills the process.

tree                      header: key=value lines, among them feature_names= and tree_sizes=
...
<empty line>
Tree=0 ... Tree=n-1       exactly sum(tree_sizes) bytes, each tree where its size says it starts
end of trees
...
end of parameters
<empty line>
pandas_categorical:null
"""

from __future__ import annotations

_TREES_END = b"end of trees\n"
_TRAILER = b"\nend of parameters\n\npandas_categorical:"


def booster_problems(text: bytes, *, n_features: int) -> list[str]:
    r"""Everything wrong with the text of a LightGBM model; empty when it is whole.

    Parameters
    ----------
    text
        What `Booster.model_to_string()` returned, as UTF-8.
    n_features
        Length of the feature contract the model was fitted on.

    Examples
    --------
    >>> booster_problems(b"tree\nversion=v4\n", n_features=3)[0]
    'the header has no tree_sizes line'
    """
    head, separator, body = text.partition(b"\n\n")
    if not text.startswith(b"tree\n"):
        return ["the text does not begin with the line 'tree'"]
    header = dict(line.partition(b"=")[::2] for line in head.split(b"\n")[1:])
    if b"tree_sizes" not in header or not separator:
        return ["the header has no tree_sizes line"]
    return [*_feature_problems(header, n_features), *_tree_problems(header[b"tree_sizes"], body), *_trailer_problems(text)]


def _feature_problems(header: dict[bytes, bytes], n_features: int) -> list[str]:
    last = header.get(b"max_feature_idx", b"")
    if not last.isdigit() or int(last) + 1 != n_features:
        return [f"max_feature_idx is '{last.decode('ascii', 'replace')}', expected {n_features - 1} by the feature contract"]
    return []


def _tree_problems(sizes_line: bytes, body: bytes) -> list[str]:
    sizes = sizes_line.split()
    if not sizes or not all(size.isdigit() for size in sizes):
        return ["tree_sizes names no tree, or is not a list of whole numbers"]
    expected = sum(map(int, sizes))
    found = body.rfind(b"\n" + _TREES_END) + 1
    if not found:
        return [f"the line 'end of trees' is missing: the text is cut off ({len(sizes)} trees, {expected} bytes were announced)"]
    problems = [] if found == expected else [f"the trees take {found} bytes; tree_sizes announces {expected}"]
    start = 0
    for index, size in enumerate(map(int, sizes)):
        if not body.startswith(b"Tree=%d\n" % index, start):
            problems.append(f"tree {index} of {len(sizes)} does not begin where tree_sizes says (byte {start} of the trees)")
            break
        start += size
    return problems


def _trailer_problems(text: bytes) -> list[str]:
    before, found, value = text.rpartition(_TRAILER)
    if not found or _TREES_END not in before or not value.endswith(b"\n") or value.count(b"\n") != 1:
        return ["the trailer ('end of parameters', then the line 'pandas_categorical:') is missing or cut off"]
    return []
