"""Strategies that spoil what is valid: bytes, nested values, and zip archives."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

TOKENS = (
    b"\0", b"\xff\xfe", b"\n", b"\r\n", b'"', b",", b";", b"[", b"{", b"}", b": ", b"- ", b"&a ",
    b"*a", b"!!int ", b"<<: ", b"#", b"|", b"nan", b"inf", b"-1", b"0", b"1e999", b"1e-999",
    b"2147483648", b"18446744073709551616", b"9" * 5000, b"null", b"true", b"'", b"\\ud800",
    b"\x1b[2J", b"\xe2\x80\xae", b"=cmd|x", b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7",
    b"\x1f\x8b", b"\x93NUMPY\2\0", b"|O", b"(" * 200, b"[" * 200, b"\x00\x00\x0e\x04",
)  # fmt: skip
_NUMBER = re.compile(rb"-?[0-9][0-9.e+-]*")


@st.composite
def spoilt(draw: st.DrawFn, valid: bytes, most: int = 5) -> bytes:
    """Return bytes after up to so many changes: flips, cuts, insertions, splices, numbers."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from([0, 1, 1, 2, 4, 8, 100, 10**9])))
        change = draw(st.integers(0, 6))
        if change == 0:
            data[at:end] = draw(st.binary(max_size=8))
        elif change == 1:
            data[at:end] = draw(st.sampled_from(TOKENS))
        elif change == 2:
            del data[at:]
        elif change == 3:
            del data[at:end]
        elif change == 4:
            there = draw(st.integers(0, len(data)))
            data[there:there] = data[at:end]
        elif change == 5 and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == 6 and (result := _NUMBER.search(data, at)):
            data[result.start() : result.end()] = draw(st.sampled_from(TOKENS))
    return bytes(data)


texts = st.text(max_size=20) | st.sampled_from([t.decode("latin1") for t in TOKENS])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 12)
    | st.floats()
    | st.sampled_from([10**30, 10**400, -1, 2**63, 2**31, 0.5, 1e308, 5e-324])
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each value in a nested one."""
    if not isinstance(value, (dict, list)):
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(p for key, item in inner for p in _places(item, (*path, key)))]


@st.composite
def altered(
    draw: st.DrawFn, valid: Mapping[str, Any], known: Mapping[str, Sequence[Any]], most: int = 3
) -> Any:
    """Return nested values after up to so many changes: replaced, removed, or added.

    Args:
        draw: of Hypothesis.
        valid: what is changed.
        known: keys of the outermost mapping, and values each may well have.
        most: how many changes.
    """
    result: Any = json.loads(json.dumps(valid))
    for _ in range(draw(st.integers(0, most))):
        if draw(st.booleans()):
            key = draw(st.sampled_from(sorted(known)))
            likely = draw(st.integers(0, 3)) > 0
            result[key] = deepcopy(draw(st.sampled_from(list(known[key])) if likely else values))
            continue
        *way, last = draw(st.sampled_from([p for p in _places(result) if p] or [("x",)]))
        holder = result
        for part in way:
            holder = holder[part]
        if draw(st.booleans()):
            holder[last] = draw(values)
        elif isinstance(holder, list) or last in holder:
            del holder[last]
    return result


@st.composite
def archives(draw: st.DrawFn, members: Mapping[str, bytes]) -> bytes:
    """Return a zip file of spoilt members, whose checksums are right, and maybe itself spoilt."""
    stream = io.BytesIO()
    names = draw(st.just([]) | st.lists(st.sampled_from(sorted(members)), min_size=2, unique=True))
    spoil = draw(st.sets(st.sampled_from(sorted(members)), max_size=1))
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names or sorted(members):
            data = draw(spoilt(members[name], 3)) if name in spoil else members[name]
            method = draw(st.sampled_from([0, 0, 8, 8, 8, 8, 12, 14]))
            archive.writestr(name, data, compress_type=method)
    return stream.getvalue() if draw(st.booleans()) else draw(spoilt(stream.getvalue(), 2))
