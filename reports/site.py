"""The static site: built whole beside the old one, then swapped in. It opens from the file system, without network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reports import exports, power, text
from reports.audits import audits, clocks, peaks, timed
from reports.boards import boards
from reports.collection import Collection, copy_run
from reports.controls import controls
from reports.drawing import HERE, date, templates, tone
from reports.growth import pictures
from reports.panels import panels
from reports.records import SITE, ReportError, Tell, is_site, to_stderr
from reports.schema import SCHEMA_VERSION, Environment
from reports.tables import BAD, Report, Tally, grouped

CLOSED = ("default-src 'none'", "base-uri 'none'", "form-action 'none'")
"""What the pages may load: nothing but the style and the script that stand in them."""
MOST_CASES = 200
"""Cases of one concept that the page of failures shows in full; the concept's own page shows all."""


def build(collection: Collection, to: Path, tell: Tell = to_stderr) -> Path:
    """The site of the collection, at `to`. Errors: `ReportError` where `to` is no site of ours, or holds the runs."""
    to = Path(os.path.realpath(to))
    _may_replace(to, collection)
    to.parent.mkdir(parents=True, exist_ok=True)
    building = to.parent / f".{to.name}-building-{secrets.token_hex(4)}"
    building.mkdir()
    try:
        write(collection, building, tell)
        _swap(building, to)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return to


def _may_replace(to: Path, collection: Collection) -> None:
    for one in collection.stored:
        if one.folder.resolve().is_relative_to(to):
            raise ReportError(f"{one.folder} lies inside {to}, which would be replaced: give another --to.")
    if to.is_dir() and (is_site(to) or not any(to.iterdir())):
        return
    if to.exists():
        raise ReportError(
            f"{to} was not made by `reports build` and is left alone: give another --to, or move it away."
        )


def _swap(building: Path, to: Path) -> None:
    """The old site goes only when the new one stands."""
    if not to.exists():
        building.rename(to)
        return
    old = to.parent / f".{to.name}-old-{secrets.token_hex(4)}"
    to.rename(old)
    try:
        building.rename(to)
    except OSError:
        old.rename(to)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write(collection: Collection, folder: Path, tell: Tell) -> None:
    """Every file of the site, into an empty folder."""
    report = Report(collection)
    for one in collection.stored:
        copy_run(one, folder / "records")
    exports.write_csv(collection, folder / "records.csv")
    exports.write_rows(exports.power_rows(report), folder / "power.csv")
    exports.write_rows(exports.rule_rows(report), folder / "rules.csv")
    parquet = exports.write_parquet(collection, folder / "records.parquet", tell)
    (folder / "leaderboard.md").write_text(exports.leaderboard(report), encoding="utf-8")
    pages = Pages(report, folder, parquet=parquet)
    pages.overview()
    pages.failures()
    pages.power()
    pages.rules()
    pages.timing()
    pages.environment()
    for id in report.pages:
        pages.concept(id)
    marker = {
        "assay_site": 1,
        "schema_version": SCHEMA_VERSION,
        "built": pages.built,
        "runs": [run.id for run in collection.runs],
    }
    (folder / SITE).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")


class Pages:
    """Draws the pages of one report into `folder`."""

    def __init__(self, report: Report, folder: Path, *, parquet: bool) -> None:
        self.report, self.folder = report, folder
        self.built = date(datetime.now(UTC))
        style = "\n" + (HERE / "style.css").read_text(encoding="utf-8")
        script = "\n" + (HERE / "page.js").read_text(encoding="utf-8")
        self.context = dict(
            report=report,
            built=self.built,
            parquet=parquet,
            style=Markup(style),  # our own file
            script=Markup(script),  # our own file
            policy="; ".join([*CLOSED, f"style-src {_hash(style)}", f"script-src {_hash(script)}"]),
            bad=sum(row.record.verdict in BAD for row in report.rows),
            tone=tone,
        )

    def _draw(self, template: str, path: str, **names: Any) -> None:
        target = self.folder / path
        target.parent.mkdir(exist_ok=True)
        context = {**self.context, "root": "../" * path.count("/"), **names}
        target.write_text(templates().get_template(template).render(context), encoding="utf-8")

    def overview(self) -> None:
        report = self.report
        judged = report.kind("conformance")
        by_place = grouped(judged, lambda row: report.tags[row.record.environment])
        times = sorted(run.started for run in report.collection.runs)
        self._draw(
            "index.html.j2",
            "index.html",
            here="index",
            areas=report.matrix(),
            machines={tag: report.matrix(rows) for tag, rows in by_place.items()},
            total=Tally.of(judged),
            accuracy=boards(report, "accuracy"),
            throughput=boards(report, "throughput"),
            growth=pictures(report),
            controls=controls(report),
            total_power=power.total(power.power(report)),
            claims=report.kind("claim"),
            places=_places(report),
            newest=date(times[-1]) if times else "",
        )

    def concept(self, id: str) -> None:
        report = self.report
        rows = [row for row in report.rows if row.subject == id]
        judged = [row for row in rows if row.record.kind == "conformance"]
        page = report.pages[id]
        order = {law: place for place, law in enumerate(page.laws)} if page else {}
        found = grouped(judged, lambda row: row.record.law or "–")
        laws = {
            law: grouped(found[law], lambda row: row.name)
            for law in sorted(found, key=lambda law: (order.get(law, len(order)), law))
        }
        self._draw(
            "concept.html.j2",
            f"concepts/{report.files[id]}",
            here="concept",
            id=id,
            page=page,
            rows=rows,
            laws=laws,
            names=sorted({row.name for row in judged}),
            tally=Tally.of(judged),
            failures={
                name: [row for row in found if row.subject == id and row.record.kind != "control"]
                for name, found in report.failures().items()
            },
            controls=controls(report, id),
            suspicions=report.suspicions(id),
            boards=boards(report, "throughput", id),
            growth=pictures(report, id),
            scores=boards(report, "accuracy", id),
        )

    def failures(self) -> None:
        self._draw(
            "failures.html.j2", "failures.html", here="failures", failures=self.report.failures(), most=MOST_CASES
        )

    def power(self) -> None:
        rows = power.power(self.report)
        self._draw(
            "power.html.j2",
            "power.html",
            here="power",
            power=rows,
            total=power.total(rows),
            survivors=[row.controls for row in rows if row.controls and not row.controls.whole],
            calibrations=power.calibrations(self.report),
        )

    def rules(self) -> None:
        tables = power.rules(self.report)
        self._draw(
            "rules.html.j2", "rules.html", here="rules", tables=tables, panels=panels(tables[0]) if tables else []
        )

    def timing(self) -> None:
        report = self.report
        found = dict(audits=audits(report), clocks=clocks(report), peaks=peaks(report), timed=timed(report))
        self._draw("timing.html.j2", "timing.html", here="timing", **found)

    def environment(self) -> None:
        report = self.report
        shown = Counter(record.run for record in report.collection.records)
        runs = [
            (one.run, Counter(record.verdict for record in one.records), shown[one.run.id])
            for one in reversed(report.collection.stored)
        ]
        facts = environment_facts(list(report.environments.values()))
        self._draw("environment.html.j2", "environment.html", here="environment", runs=runs, facts=facts)


def environment_facts(environments: list[Environment]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Lines of a table with a column for each environment, under headings."""

    def memory(size: int) -> str:
        return text.quantity(float(size), "bytes")

    plain: list[tuple[str, list[str]]] = [
        ("Processor", [one.cpu for one in environments]),
        ("Cores", [str(one.cores) for one in environments]),
        ("Memory", [memory(one.memory_bytes) for one in environments]),
        ("Threads of a worker", [str(one.threads) for one in environments]),
        ("GPU", [", ".join(one.gpus) or "none" for one in environments]),
        ("Driver", [one.driver or "–" for one in environments]),
        ("CUDA", [one.cuda or "–" for one in environments]),
        ("Platform", [one.platform for one in environments]),
        ("Python", [one.python for one in environments]),
        ("Commit", [one.commit or "–" for one in environments]),
    ]

    def table(maps: list[dict[str, str]]) -> list[tuple[str, list[str]]]:
        return [(name, [one.get(name, "–") for one in maps]) for name in sorted({name for one in maps for name in one})]

    found = [("", plain), ("Versions", table([one.versions for one in environments]))]
    found.append(("Variables that change results", table([one.flags for one in environments])))
    return [(heading, lines) for heading, lines in found if lines]


def _places(report: Report) -> list[str]:
    """Each kind of machine once, in a few words."""
    found: dict[str, None] = {}
    for one in report.environments.values():
        torch = f", torch {one.versions['torch']}" if "torch" in one.versions else ""
        found[f"{one.gpus[0] if one.gpus else one.cpu}, {one.cores} cores{torch}"] = None
    return list(found)


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
