"""Figures and strangers' strings, made fit to print."""

from __future__ import annotations

import html
import math
import re

_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_BYTES = {"b", "byte", "bytes"}


def visible(text: str) -> str:
    """Control characters and marks that reorder text, spelt out: no string may redraw the page or the terminal."""
    return _HIDDEN.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text
    )


def one_line(text: str, limit: int | None = None) -> str:
    """White space collapsed, at most `limit` characters."""
    line = " ".join(visible(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def clipped(text: str, limit: int = 6000) -> str:
    """The beginning of a text that is too long to show; the whole stands in the records."""
    rest = len(text) - limit
    return text if rest <= 0 else f"{text[:limit]}\n… {rest:,} more characters in records.jsonl"


def figure(value: float | None) -> str:
    """Four significant digits, thousands separated."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if 1000 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def quantity(value: float | None, unit: str | None) -> str:
    """Figure and unit; bytes in the binary unit that suits them."""
    if (unit or "").lower() in _BYTES and value is not None and math.isfinite(value):
        for scaled in ("B", "KiB", "MiB", "GiB", "TiB"):
            if abs(value) < 1024 or scaled == "TiB":
                return f"{figure(value)} {scaled}"
            value /= 1024
    return f"{figure(value)} {unit}" if unit and value is not None else figure(value)


def span(low: float | None, high: float | None, unit: str | None = None) -> str:
    """An interval; empty where there is none."""
    if low is None or high is None:
        return ""
    if (unit or "").lower() in _BYTES:
        return f"{quantity(low, unit)} – {quantity(high, unit)}"
    return f"{figure(low)} – {figure(high)}"


def seconds(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 60 else f"{value / 60:.1f} min"


def markdown(text: str) -> str:
    """Text for a cell of a Markdown table: no markup of its own survives."""
    escaped = html.escape(one_line(text), quote=False)
    escaped = re.sub(r"([\\`*\[\]|~])", r"\\\1", escaped)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", escaped)


def law_name(law: str | None) -> str:
    """`test_no_query_sees_its_future` reads as a sentence; what is not such a name stays as it is."""
    if law is None:
        return "–"
    name = law.rsplit("::", 1)[-1]
    return name.removeprefix("test_").replace("_", " ") if re.fullmatch(r"test_\w+(\[.*\])?", name, re.DOTALL) else law
