"""The files in which byte-pair encoders are kept, read into the fields of `BytePairEncoding`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference.tokenizers._added import added_fields
from reference.tokenizers._files import _expect, _in_folder, _json_object, _kind, _merges, _steps, _tables, _text

_MODEL = {"type": ("BPE", None)}
_CUTS: dict[str, bool | str] = {"WhitespaceSplit": True, "Whitespace": "whitespace", "BertPreTokenizer": "bert"}
_OPTIONS = {
    "unk_token": "unknown",
    "continuing_subword_prefix": "continuing",
    "end_of_word_suffix": "end_of_word",
    "fuse_unk": "fuse_unknown",
    "byte_fallback": "byte_fallback",
    "dropout": "dropout",
    "ignore_merges": "ignore_merges",
}


def bpe_fields(path: str | Path, merges: str | Path | None = None) -> dict[str, Any]:
    """From a `tokenizer.json`, a `vocab.json` with its `merges.txt`, or a folder with either."""
    path, merges = _in_folder(Path(path), merges)
    content = _json_object(path)
    if merges is not None:
        lines = _text(Path(merges)).split("\n")
        return {"vocabulary": content, "merges": _merges(Path(merges), lines)}
    model = content.get("model")
    if not isinstance(model, dict):
        raise ValueError(f"{path}: expected a tokenizer.json with a model; a vocab.json needs its merges.txt as well")
    _expect(path, "model", model, _MODEL)
    vocabulary = _tables(path, model)
    cutter = content.get("pre_tokenizer")
    if cutter is not None and _kind(cutter) not in _CUTS:
        raise ValueError(f"{path}: expected {', '.join(_CUTS)} or nothing before the model, got {_kind(cutter)}")
    given = {field: model[name] for name, field in _OPTIONS.items() if model.get(name) is not None}
    return {
        "vocabulary": vocabulary,
        "merges": _merges(path, model["merges"]),
        "cut": cutter is not None and _CUTS[_kind(cutter)],
        "steps": _steps(path, content.get("normalizer")),
        **added_fields(content),
        **given,
    }
