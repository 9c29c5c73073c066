"""What a run leaves behind: one `Run` (what was run, where, on which versions) and many `Record`s (a row each).

On disk a run is a folder: `run.json` holds the `Run`, `records.jsonl` one `Record` a line, appended and
flushed as results arrive, so that a killed run keeps what it had.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SCHEMA_VERSION: Literal[1] = 1

Kind = Literal["conformance", "control", "power", "accuracy", "throughput", "claim"]
Verdict = Literal["pass", "fail", "deviation", "inconclusive", "unsupported", "error", "crash", "timeout"]

VERDICTS: tuple[Verdict, ...] = (
    "pass",
    "fail",
    "deviation",
    "inconclusive",
    "unsupported",
    "error",
    "crash",
    "timeout",
)
"""`judged` in the tables counts every verdict but `unsupported` and `inconclusive`."""


def _writable(value: Any) -> Any:
    """The same with lone surrogates spelt out: tokenizers produce them, and neither UTF-8 nor JSON can carry them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return value


class _Stored(BaseModel):
    @field_validator("*", mode="before")
    @classmethod
    def _spell_out_surrogates(cls, value: Any) -> Any:
        return _writable(value)


class Record(_Stored):
    """One row of results: about a concept or a task, of an implementation or a model, under a law or a metric."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True, ser_json_inf_nan="strings")

    schema_version: Literal[1] = SCHEMA_VERSION
    run: str = Field(description="id of the run that made this row")
    environment: str = Field(description="id of the environment, described once in run.json")
    kind: Kind
    concept: str | None = Field(None, description="area.name, e.g. attention.scaled_dot_product")
    task: str | None = Field(None, description="lm-eval task, for kind accuracy")
    implementation: str | None = Field(
        None, description="name of the implementation, or of the control for kind control"
    )
    model: str | None = Field(None, description="model or baseline that answered the task")
    law: str | None = Field(None, description="law judged; for a control the first law that rejected it")
    metric: str | None = Field(None, description="what `value` measures, e.g. ndcg@10, decode")
    versions: dict[str, str] = Field(default_factory=dict, description="versions of the libraries under judgement")
    device: str = Field("cpu", description="cpu, or cuda:N")
    dtype: str | None = None
    verdict: Verdict
    value: float | None = Field(None, description="measured figure, in `unit`")
    unit: str | None = None
    low: float | None = Field(None, description="lower end of the 95 % interval of `value`")
    high: float | None = Field(None, description="upper end of the 95 % interval of `value`")
    better: Literal["higher", "lower"] | None = Field(
        None, description="which end of `value` is the good one; without it the unit and the metric's name decide"
    )
    comparison: Literal["SAME", "FASTER", "SLOWER", "AMBIGUOUS"] | None = Field(
        None,
        description="for a ratio of speeds: SAME where its interval lies within the margin about 1, FASTER or SLOWER where "
        "all of it lies beyond, AMBIGUOUS elsewhere",
    )
    margin: float | None = Field(
        None, description="for a comparison: speeds within 1 / (1 + margin) and 1 + margin are the same"
    )
    n: int | None = Field(None, description="examples judged, documents scored, or repetitions timed")
    noise: float | None = Field(
        None, description="largest error in units of noise: 1 is as good as a careful implementation"
    )
    role: Literal["fault", "variant", "null", "mutant"] | None = Field(None, description="for kind control")
    rejected_by: list[str] | None = Field(None, description="for kind control: the laws that rejected it")
    message: str | None = Field(None, description="why the verdict is what it is, for people")
    link: str | None = Field(None, description="evidence of a recorded deviation, or source of a misconception")
    example: str | None = Field(None, description="smallest falsifying example found")
    looks_like: str | None = Field(
        None, description="for a rejected implementation: the concept's fault that its counterexample looks like"
    )
    agrees_with: list[str] | None = Field(
        None,
        description="for a rejected implementation: those of other libraries that give its result on the counterexample, "
        "not the reference's; with one or more the reference is the suspect",
    )
    replay: str | None = Field(None, description="command that runs this row again")
    node: str | None = Field(None, description="pytest node id")
    duration: float | None = Field(None, description="seconds the row took")
    contended: bool = Field(False, description="other workers ran meanwhile: a timing so marked is never ranked")
    settings: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="what else identifies the row, e.g. batch, prompt_tokens, task_version"
    )
    time: datetime = Field(description="when the row was written, UTC")

    @model_validator(mode="after")
    def _names_what_it_is_about(self) -> Record:
        if (self.concept is None) == (self.task is None):
            raise ValueError("a record is about exactly one of concept and task")
        if (self.implementation is None) == (self.model is None):
            raise ValueError("a record is of exactly one of implementation and model")
        return self


class Environment(_Stored):
    """Where a run took place; `id` is a hash of the rest, so equal environments share it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    python: str
    platform: str
    cpu: str
    cores: int
    memory_bytes: int
    threads: int = Field(description="torch intra-operation threads of each worker")
    gpus: list[str] = Field(default_factory=list, description="name and memory of each GPU")
    driver: str | None = None
    cuda: str | None = None
    versions: dict[str, str] = Field(
        default_factory=dict, description="installed versions of the libraries that matter"
    )
    flags: dict[str, str] = Field(default_factory=dict, description="environment variables that change results")
    commit: str | None = Field(None, description="git commit of this checkout, with + when it has changes")


class ConceptPage(_Stored):
    """A concept as its reference tells it, so that a report can be built far from the code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    path: str = Field(description="path of the reference, from the checkout's root")
    contract: str = Field(description="signature of the reference, as source text")
    doc: str = Field(description="module docstring: Markdown, equations in TeX between dollar signs")
    laws: dict[str, str] = Field(default_factory=dict, description="law -> its docstring")


class Run(_Stored):
    """One invocation of the suite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    id: str
    started: datetime
    command: str
    environment: Environment
    concepts: list[ConceptPage] = Field(default_factory=list)
