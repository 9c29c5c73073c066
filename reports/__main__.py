"""`python -m reports build | compare A B | merge A B ... | shelve DIR | schema`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.collection import collect, merge, newest_entry, shelve
from reports.records import ReportError, to_stderr, write_atomically
from reports.text import count

HERE = Path(__file__).parent
SCHEMA_FILE = HERE / "record.schema.json"
NEEDS_PACKAGES = "python -m pip install jinja2 markdown-it-py mdit-py-plugins latex2mathml"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m reports", description="From records to leaderboards.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser("build", help="a static site, Markdown, CSV and Parquet of one run or of many")
    one.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="runs, or folders above them (default: the newest in reports/runs)",
    )
    one.add_argument(
        "--to", type=Path, default=HERE / "latest", metavar="DIR", help="where the site goes (default: reports/latest)"
    )
    one.set_defaults(call=_build)

    one = commands.add_parser(
        "compare",
        help="what changed from A to B; exit code 1 if something accepted in A is wrong in B or missing from it",
    )
    one.add_argument("before", type=Path, metavar="A")
    one.add_argument("after", type=Path, metavar="B")
    one.add_argument("--format", choices=("terminal", "markdown"), default="terminal")
    one.add_argument(
        "--partial", action="store_true", help="B was meant to be a part of A: rows that it lacks are fine"
    )
    one.set_defaults(call=_compare)

    one = commands.add_parser("merge", help="one folder with a copy of every run, each once")
    one.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    one.add_argument("--to", type=Path, required=True, metavar="DIR")
    one.add_argument("--pack", action="store_true", help="compress the records, to keep them for good")
    one.set_defaults(call=_merge)

    one = commands.add_parser("shelve", help="move a folder of results aside, named after its newest run")
    one.add_argument("folder", type=Path, metavar="DIR")
    one.set_defaults(call=_shelve)

    one = commands.add_parser("schema", help="write the JSON schema of runs and records to reports/record.schema.json")
    one.set_defaults(call=_schema)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 `compare` found something broken or missing, 2 nothing could be done."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    chosen = parser().parse_args(arguments)
    try:
        return int(chosen.call(chosen))
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ReportError as error:
        to_stderr(str(error))
        return 2


def _build(chosen: argparse.Namespace) -> int:
    try:
        from reports.site import build
    except ModuleNotFoundError as error:
        raise ReportError(f"Building the site needs {error.name}, which is not installed: {NEEDS_PACKAGES}") from error
    paths = chosen.paths or [newest_entry(HERE / "runs")]
    collection = collect(paths, to_stderr)
    site = build(collection, chosen.to, to_stderr)
    records, runs = count(len(collection.everything), "record"), count(len(collection.runs), "run")
    print(f"{records} of {runs}: {site / 'index.html'}")
    return 0


def _compare(chosen: argparse.Namespace) -> int:
    from reports.compare import compare, render

    before, after = collect([chosen.before], to_stderr), collect([chosen.after], to_stderr)
    comparison = compare(before, after, partial=chosen.partial)
    with contextlib.suppress(BrokenPipeError):
        print(render(comparison, markdown=chosen.format == "markdown"), flush=True)
    return comparison.exit_code


def _merge(chosen: argparse.Namespace) -> int:
    merged = merge(chosen.paths, chosen.to, to_stderr, pack=chosen.pack)
    print(f"{count(len(merged), 'run')}: {chosen.to}")
    return 0


def _shelve(chosen: argparse.Namespace) -> int:
    resting = shelve(chosen.folder)
    print(f"{chosen.folder} now rests in {resting}" if resting else f"{chosen.folder}: nothing to shelve")
    return 0


def schema_text() -> str:
    """The JSON schema of what a run leaves behind: `Run` is run.json, `Record` a line of records.jsonl."""
    from pydantic.json_schema import models_json_schema

    from reports.schema import Record, Run

    _, definitions = models_json_schema([(Run, "validation"), (Record, "validation")], title="Assay: runs and records")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **definitions}, indent=1) + "\n"


def _schema(chosen: argparse.Namespace) -> int:
    write_atomically(SCHEMA_FILE, schema_text())
    print(SCHEMA_FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
