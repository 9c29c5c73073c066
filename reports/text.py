"""Figures and strangers' strings, made fit to print."""

from __future__ import annotations

import html
import math
import re

from markupsafe import Markup

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


def noise(value: float | None) -> str:
    """Units of noise are an estimate: two digits say all there is."""
    if value is None or not math.isfinite(value) or value == 0:
        return figure(value)
    if value < 0.01:
        return "<0.01"
    return f"{value:.2g}" if value < 100 else f"{value:.0f}" if value < 1e4 else f"{value:.1e}".replace("e+", "e")


def count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`; a noun of more words is counted by its last."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(part: int, whole: int) -> str:
    """A share. What is not quite nothing or not quite all never reads as 0 % or 100 %."""
    if whole == 0:
        return "–"
    share = 100 * part / whole
    if part in (0, whole):
        return f"{share:.0f} %"
    if share < 0.01:
        return "<0.01 %"
    if share > 99.99:
        return ">99.99 %"
    return f"{share:.2f} %" if share < 10 or share > 99 else f"{share:.1f} %"


def together(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part) if names else ""


def breakable(name: str) -> Markup:
    """A long name, with places where a line may break."""
    return Markup("<wbr>").join(re.findall(r".*?[-_./:]+|.+", visible(name), re.DOTALL))


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


def signature(source: str, width: int = 92) -> str:
    """A signature as source text; one that is too long for a line gets a line for each parameter."""
    lines = source.splitlines()
    return "\n".join(_unfolded(line) if len(line) > width else line for line in lines)


def _unfolded(line: str) -> str:
    """Breaks after the first bracket opens, after each comma directly inside it, and before it closes."""
    indent = line[: len(line) - len(line.lstrip())]
    parts, depth, quote = [""], 0, ""
    for place, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                inside = [f"{indent}    {part.strip()}" for part in parts[1:] if part.strip()]
                return "\n".join([parts[0], *inside, f"{indent}{line[place:]}"])
        parts[-1] += letter
        if not quote:
            depth += letter in "([{"
            if depth == 1 and letter in "([{,":
                parts.append("")
    return line


def law_name(law: str | None) -> str:
    """`test_no_query_sees_its_future` reads as a sentence; what is not such a name stays as it is."""
    if law is None:
        return "–"
    name = law.rsplit("::", 1)[-1]
    return name.removeprefix("test_").replace("_", " ") if re.fullmatch(r"test_\w+(\[.*\])?", name, re.DOTALL) else law
