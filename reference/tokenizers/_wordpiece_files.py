"""The files in which WordPiece tokenizers are kept, read into the fields of `WordPiece`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference.tokenizers._added import added_fields
from reference.tokenizers._files import _expect, _json_object, _kind, _tables, _text

_MODEL = {"type": ("WordPiece", None)}
_SWITCHES = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
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
    normalizer, cutter, decoder = (content.get(name) or {} for name in ("normalizer", "pre_tokenizer", "decoder"))
    _expect(path, "decoder", decoder, {})
    if _kind(normalizer) != "BertNormalizer" or _kind(cutter) != "BertPreTokenizer":
        kinds = f"{_kind(normalizer)} and {_kind(cutter)}"
        raise ValueError(f"{path}: expected BertNormalizer and BertPreTokenizer, got {kinds}")
    return {
        "vocabulary": vocabulary,
        "unknown": model.get("unk_token", "[UNK]"),
        "prefix": model.get("continuing_subword_prefix", "##"),
        "longest": model.get("max_input_chars_per_word", 100),
        "cleanup": decoder.get("cleanup", True),
        **{name: normalizer.get(name, default) for name, default in _SWITCHES.items()},
        **added_fields(content),
        **_frame(path, content.get("post_processor")),
    }


def _frame(path: Path, processor: Any) -> dict[str, str]:
    """The tokens that the post-processor puts around a text."""
    if processor is None:
        return {}
    _expect(path, "post_processor", processor, {})
    if _kind(processor) == "BertProcessing":
        frame = {"begin": processor.get("cls"), "end": processor.get("sep")}
        for pair in frame.values():
            if not isinstance(pair, list) or not pair or not isinstance(pair[0], str):
                raise ValueError(
                    f"{path}: expected post_processor with cls and sep, a token and its id each, got {pair!r}"
                )
        return {field: pair[0] for field, pair in frame.items()}
    single = [next(iter(part.items())) for part in processor.get("single", [])]
    if [kind for kind, _ in single] != ["SpecialToken", "Sequence", "SpecialToken"]:
        raise ValueError(f"{path}: expected a post_processor as BERT's, got {_kind(processor)}")
    return {"begin": single[0][1]["id"], "end": single[2][1]["id"]}
