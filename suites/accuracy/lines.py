"""Reads what users bring, line by line: whatever is wrong is one sentence with its file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class DataError(ValueError):
    """What is wrong with the user's data, and where."""


def text(path: Path) -> str:
    """The content of a file in UTF-8, with or without a byte order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: expected UTF-8, got the byte {error.object[error.start]:#04x}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def jsonl(path: Path, fields: dict[str, type | tuple[type, ...]]) -> list[dict[str, Any]]:
    """The objects of a JSONL file, one a line; blank lines are passed over. `fields`: what each must have, of what type."""
    rows = []
    for number, line in enumerate(text(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: expected a JSON object on one line ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{where}: expected a JSON object, got {line.strip()[:60]}")
        for name, kinds in fields.items():
            if name not in row:
                raise DataError(f"{where}: has no {name!r}; each line needs {', '.join(map(repr, fields))}")
            if not isinstance(row[name], kinds) or (isinstance(row[name], bool) and bool not in _tuple(kinds)):
                wanted = " or ".join(kind.__name__ for kind in _tuple(kinds))
                raise DataError(f"{where}: {name!r} is {row[name]!r:.60}, expected {wanted}")
        rows.append(row | {"line": number})
    if not rows:
        raise DataError(f"{path}: has no lines")
    return rows


def _tuple(kinds: type | tuple[type, ...]) -> tuple[type, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def table(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a file with tabs between cells."""
    for number, line in enumerate(text(path).split("\n"), 1):
        if not line.strip():
            continue
        cells = line.rstrip("\r").split("\t")
        if len(cells) != columns:
            raise DataError(f"{path}:{number}: expected {columns} cells with tabs between them, got {len(cells)}")
        yield number, cells
