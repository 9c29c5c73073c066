"""How the templates print what records say: nothing that a record holds becomes markup."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from reports import prose, text
from reports.schema import Record
from reports.tables import BAD, Row, grouped

HERE = Path(__file__).parent / "templates"


def tone(verdict: str) -> str:
    return "fail" if verdict in BAD else verdict


def date(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def reasons(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Rows with the same message together."""
    return list(
        grouped(
            rows, lambda row: row.record.message or row.record.law or row.record.metric or "no reason given"
        ).items()
    )


def span(record: Record) -> str:
    return text.span(record.low, record.high, record.unit)


def bare(value: float | None, unit: str | None) -> str:
    """The figure alone where the heading says the unit; sizes keep the one they are scaled to."""
    shown = text.quantity(value, unit)
    return shown if shown.endswith("B") else text.figure(value)


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    return text.visible(value) if type(value) is str else value


@cache
def templates() -> Templates:
    found = Templates(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    found.filters.update(
        prose=prose.prose,
        inline=prose.inline,
        opening=prose.opening,
        figure=text.figure,
        noise=text.noise,
        breakable=text.breakable,
        quantity=text.quantity,
        bare=bare,
        span=span,
        seconds=text.seconds,
        signature=text.signature,
        short=lambda value, limit: text.one_line(str(value), limit),
        clipped=text.clipped,
        law_name=text.law_name,
        count=text.count,
        percent=text.percent,
        together=text.together,
        thousands=lambda count: f"{count:,}",
        is_web=lambda link: str(link).lower().startswith(("http://", "https://")),
        address=lambda link: text.one_line(str(link).partition("://")[2] or str(link), 44),
        date=date,
        reasons=reasons,
    )
    return found
