"""The files in which tokenizers are kept, read into plain tables. Whatever is wrong is a ValueError that names it."""

import json
from pathlib import Path

# What a tokenizer.json may say besides its tables if it is to work as GPT-2's does. Absent counts as the first value.
_PRE_TOKENIZER = {"type": ("ByteLevel",), "add_prefix_space": (False,), "use_regex": (True, None)}
_MODEL = {
    "type": ("BPE", None),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False, None),
    "ignore_merges": (False, None),
}


def byte_level_tables(
    path: str | Path, merges: str | Path | None = None
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges from a `tokenizer.json`, a `vocab.json` with its `merges.txt`, or a folder with either.

    Tokens that a `tokenizer.json` adds beside its model are left out.
    """
    path = Path(path)
    if path.is_dir():
        whole = path / "tokenizer.json"
        path, merges = (whole, None) if whole.exists() else (path / "vocab.json", merges or path / "merges.txt")
    content = _json_object(path)
    if merges is not None:
        return content, _merges(Path(merges), _text(Path(merges)).split("\n"))
    if "model" not in content:
        raise ValueError(f"{path}: expected a tokenizer.json with a model; a vocab.json needs its merges.txt as well")
    if content.get("normalizer") is not None:
        raise ValueError(f"{path}: expected no normalizer, got {_kind(content['normalizer'])}")
    _expect(path, "pre_tokenizer", content.get("pre_tokenizer"), _PRE_TOKENIZER)
    model = content["model"]
    _expect(path, "model", model, _MODEL)
    if not isinstance(model.get("vocab"), dict) or not isinstance(model.get("merges"), list):
        raise ValueError(f"{path}: expected model.vocab, an object, and model.merges, a list")
    return model["vocab"], _merges(path, model["merges"])


def _merges(path: Path, lines: list) -> list[tuple[str, str]]:
    """A merge is `["a", "b"]` or `"a b"`. Only the first line may be a comment: `# #` is a merge like any other."""
    if lines and isinstance(lines[0], str) and lines[0].startswith("#version"):
        lines = lines[1:]
    pairs = [tuple(line.rstrip("\r").split(" ")) if isinstance(line, str) else line for line in lines if line != ""]
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise ValueError(f"{path}: expected merges of two tokens with one space between, got {pair!r}")
    return [(left, right) for left, right in pairs]


def _expect(path: Path, name: str, found: object, wanted: dict[str, tuple]) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected {name} to be GPT-2's, got {_kind(found)}")
    for option, values in wanted.items():
        value = found.get(option, values[-1])
        if value not in values:
            raise ValueError(f"{path}: expected {name}.{option} to be {values[0]!r} as in GPT-2's, got {value!r}")


def _kind(found: object) -> str:
    return str(found.get("type")) if isinstance(found, dict) else repr(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a file in UTF-8, got {type(error).__name__}: {error}") from error


def _json_object(path: Path) -> dict:
    try:
        content = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content
