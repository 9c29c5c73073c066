"""The files in which WordPiece tokenizers are kept, read into the fields of `WordPiece`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference.tokenizers._added import added_fields
from reference.tokenizers._files import BERT, _expect, _flat, _json_object, _kind, _tables, _text

_MODEL = {"type": ("WordPiece", None)}
_PARTS = {"normalizer": "normalizer", "pre_tokenizer": "pretokenizer"}
_CONFIGURATION = {
    "do_lower_case": "lowercase",
    "tokenize_chinese_chars": "handle_chinese_chars",
    "strip_accents": "strip_accents",
    "unk_token": "unknown",
    "cls_token": "begin",
    "sep_token": "end",
}


def wordpiece_fields(path: str | Path) -> dict[str, Any]:
    """From a `tokenizer.json`, a `vocab.txt` (one token a line), or a folder with either.

    Of a `tokenizer_config.json` beside the `vocab.txt` the options are read as well.
    """
    path = Path(path)
    if path.is_dir():
        path = next((path / name for name in ("tokenizer.json", "vocab.txt") if (path / name).exists()), path)
    if path.is_dir():
        raise ValueError(f"{path}: expected a tokenizer.json or a vocab.txt in the folder, found neither")
    return _whole(path) if path.suffix == ".json" else {"vocabulary": _lines(path), **_configuration(path)}


def _lines(path: Path) -> dict[str, int]:
    lines = _text(path).removesuffix("\n").split("\n")
    vocabulary = {token: id for id, token in enumerate(lines)}
    if len(vocabulary) < len(lines) or "" in vocabulary:
        at, bad = next((n, token) for n, token in enumerate(lines, 1) if not token or token in lines[: n - 1])
        raise ValueError(f"{path}: expected another token on every line, got {bad!r} in line {at}")
    return vocabulary


def _configuration(path: Path) -> dict[str, Any]:
    beside = path.with_name("tokenizer_config.json")
    content = _json_object(beside) if beside.exists() else {}
    found = {field: content[name] for name, field in _CONFIGURATION.items() if name in content}
    return {field: value["content"] if isinstance(value, dict) else value for field, value in found.items()}


def _whole(path: Path) -> dict[str, Any]:
    content = _json_object(path)
    model: Any = content.get("model")
    _expect(path, "model", model, _MODEL)
    vocabulary = _tables(path, model, merges=False)
    decoder = content.get("decoder") or {}
    _expect(path, "decoder", decoder, {})
    found = [_flat(path, content.get(part), f"{inner}s") for part, inner in _PARTS.items()]
    kinds = [", ".join(map(_kind, parts)) or "none" for parts in found]
    if kinds != ["BertNormalizer", "BertPreTokenizer"]:
        raise ValueError(f"{path}: expected BertNormalizer and BertPreTokenizer, got {' and '.join(kinds)}")
    normalizer = found[0][0]
    return {
        "vocabulary": vocabulary,
        "unknown": model.get("unk_token", "[UNK]"),
        "prefix": model.get("continuing_subword_prefix", "##"),
        "longest": model.get("max_input_chars_per_word", 100),
        "cleanup": decoder.get("cleanup", True),
        **{name: normalizer.get(name, default) for name, default in BERT.items()},
        **added_fields(content),
        **_frame(path, content.get("post_processor")),
    }


def _frame(path: Path, processor: Any) -> dict[str, Any]:
    """What the post-processor puts around one text and around two."""
    if processor is None:
        return {"frames": [[("$A", 0)], [("$A", 0), ("$B", 1)]]}
    _expect(path, "post_processor", processor, {})
    kind = _kind(processor)
    if kind == "TemplateProcessing":
        return {"frames": [_template(path, processor, name) for name in ("single", "pair")]}
    if kind not in ("BertProcessing", "RobertaProcessing"):
        known = "BertProcessing, RobertaProcessing, TemplateProcessing"
        raise ValueError(f"{path}: expected a post_processor of {known}, or none, got {kind}")
    begin, end = processor.get("cls"), processor.get("sep")
    for pair in (begin, end):
        if not isinstance(pair, list) or not pair or not isinstance(pair[0], str):
            raise ValueError(f"{path}: expected post_processor with cls and sep, a token and its id each, got {pair!r}")
    if kind == "BertProcessing":
        return {"begin": begin[0], "end": end[0]}
    one = [(begin[0], 0), ("$A", 0), (end[0], 0)]
    return {"frames": [one, [*one, (end[0], 0), ("$B", 0), (end[0], 0)]]}


def _template(path: Path, processor: Any, name: str) -> list[tuple[str, int]]:
    rows: list[tuple[str, int]] = []
    for part in processor.get(name) or []:
        [(kind, own)] = part.items()
        if kind not in ("SpecialToken", "Sequence") or type(own.get("type_id", 0)) is not int:
            raise ValueError(f"{path}: expected post_processor.{name} of SpecialToken and Sequence, got {part!r}")
        names = [f"${own['id']}"]
        if kind == "SpecialToken":  # by a name, which may stand for several tokens
            names = processor.get("special_tokens", {}).get(own["id"], {}).get("tokens", [own["id"]])
        rows += [(token, own.get("type_id", 0)) for token in names]
    return rows
