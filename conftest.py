"""Options of the suite, and the plugins that do the work."""

from importlib.util import find_spec

import pytest

from fixtures import limits
from fixtures.grids import GRIDS

if missing := [name for name in ("torch", "hypothesis", "jaxtyping", "beartype", "regex") if find_spec(name) is None]:
    how = "python -m pip install -c constraints.txt -e '.[peers,accuracy,weights,report]', or tox run -e conformance"
    raise SystemExit(f"ERROR: {', '.join(missing)} not installed in this environment: {how}")

pytest_plugins = (
    "fixtures.plugin.shapes",
    "fixtures.plugin.session",
    "fixtures.plugin.draws",
    "fixtures.plugin.workers",
    "fixtures.plugin.selection",
    "fixtures.plugin.verdicts",
    "fixtures.plugin.of_the_suite",
    "fixtures.plugin.controls",
    "fixtures.plugin.calibration",
    "fixtures.plugin.flakes",
    "fixtures.plugin.audit",
    "fixtures.plugin.ledger",
    "fixtures.plugin.guard",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("assay")
    group.addoption(
        "--implementation",
        action="append",
        default=[],
        metavar="CONCEPT=TARGET",
        help="judge your own implementation too; TARGET is package.module:attribute or path/to/file.py:attribute",
    )
    group.addoption(
        "--only-implementation",
        action="append",
        default=[],
        metavar="NAME",
        help="judge this implementation only (repeatable)",
    )
    group.addoption(
        "--controls",
        nargs="?",
        const="first",
        choices=["first", "full", "mutants"],
        help="judge the suite: put every fault, variant and null in the implementation's place; "
        "`full` tries every law on every fault instead of stopping at the first that rejects it; "
        "`mutants` does so with every small change that cosmic-ray makes to a reference",
    )
    group.addoption(
        "--calibrate",
        type=int,
        metavar="SEEDS",
        help="judge the judge, and the rules of others beside it: each fault on SEEDS inputs, each variant on five times "
        "as many, in four dtypes (concepts of attention, layers and losses)",
    )
    group.addoption(
        "--flakes",
        type=int,
        metavar="SEEDS",
        help="judge the laws: how often each rejects what is right, over SEEDS draws of its inputs",
    )
    group.addoption(
        "--audit",
        type=int,
        metavar="TRIALS",
        help="judge the measuring of speeds: TRIALS contests of two copies of the same code, and as many of a copy that does "
        "5 %% more (suites/throughput)",
    )
    group.addoption(
        "--throughput-grid",
        choices=GRIDS,
        default=GRIDS[0],
        help="how much suites/throughput times: small takes a few minutes on two cores, full goes on to larger models, "
        "batches and lengths, as far as the device has memory (default: small)",
    )
    group.addoption("--device", choices=["cpu", "cuda", "auto"], default="cpu", help="device to run on (default: cpu)")
    group.addoption(
        "--dtype",
        action="append",
        choices=["float64", "float32", "bfloat16", "float16"],
        default=[],
        help="dtypes to judge in (repeatable; default: float64, float32 and bfloat16)",
    )
    group.addoption(
        "--model", action="append", default=[], metavar="PATH_OR_HUB_ID", help="evaluate your own model (repeatable)"
    )
    group.addoption(
        "--data",
        action="append",
        default=[],
        metavar="KIND=DIR",
        help="evaluate on your own data (repeatable); KIND is classification, similarity, retrieval, questions, "
        "preference or text",
    )
    group.addoption(
        "--resume",
        metavar="RUN",
        help="take over what an interrupted run of suites/accuracy had finished, and evaluate the rest; RUN is its folder",
    )
    group.addoption(
        "--profile",
        choices=["quick", "default", "thorough"],
        default="default",
        help="how many inputs each law draws; quick and default are derandomized, thorough tells its --hypothesis-seed",
    )
    group.addoption(
        "--call-timeout",
        type=float,
        default=limits.DEFAULT,
        metavar="SECONDS",
        help=f"longest that one call of an implementation may take (default: {limits.DEFAULT:g})",
    )
    group.addoption(
        "--records",
        default=None,
        metavar="DIR",
        help="folder that gets this run's records (default: reports/runs)",
    )
