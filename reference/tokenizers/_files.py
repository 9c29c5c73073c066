"""The files in which tokenizers are kept, read into plain tables. Whatever is wrong is a ValueError that names it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from reference.tokenizers._oniguruma import translated
from reference.tokenizers.normalization import bert_steps

T = TypeVar("T")
P = ParamSpec("P")
_TYPES = {"str": str, "int": int, "bool": bool}
_STEPS = {
    **{name.upper(): name for name in ("nfc", "nfd", "nfkc", "nfkd")},
    "Lowercase": "lowercase",
    "Nmt": "nmt",
    "StripAccents": "strip_marks",
}
"""Parts of a normalizer without options, as steps of `normalization`."""
BERT = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
"""The switches of a `BertNormalizer`, and what is meant where they lack."""


def named(
    read: Callable[Concatenate[type[T], str | Path, P], T],
) -> Callable[Concatenate[type[T], str | Path, P], T]:
    """For a method that reads a file: whatever goes wrong in it is a ValueError that names the file."""

    @wraps(read)
    def reading(cls: type[T], path: str | Path, *args: P.args, **options: P.kwargs) -> T:
        try:
            made = read(cls, path, *args, **options)
            for field in fields(made):  # type: ignore[arg-type]
                value = getattr(made, field.name)
                if not isinstance(value, _TYPES.get(str(field.type), object)):
                    raise ValueError(f"expected {field.name} to be of type {field.type}, got {value!r}")
        except ValueError as error:
            if str(error).startswith(str(path)):
                raise
            raise ValueError(f"{path}: {error}") from error
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise ValueError(f"{path}: expected a tokenizer in which everything has its form, got {said}") from error
        return made

    return reading


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
        raise ValueError(f"{path}: expected {name} to be an object, got {_kind(found)}")
    for option, values in wanted.items():
        value = found.get(option, values[-1])
        if value not in values:
            raise ValueError(f"{path}: expected {name}.{option} to be {values[0]!r}, got {value!r}")


def _kind(found: object) -> str:
    return str(found.get("type")) if isinstance(found, dict) else repr(found)


def _flat(path: Path, part: Any, inner: str) -> list[Any]:
    """The parts of a `Sequence`, also of one within; `inner` is what it calls them."""
    if part is None:
        return []
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise ValueError(f"{path}: expected {inner} to be objects with a type, got {part!r}")
    if part["type"] != "Sequence":
        return [part]
    if not isinstance(part.get(inner), list) or None in part[inner]:
        raise ValueError(f"{path}: expected {inner} in a Sequence, a list of objects, got {part.get(inner)!r}")
    return [small for one in part[inner] for small in _flat(path, one, inner)]


def _tables(path: Path, model: Mapping[str, Any], merges: bool = True) -> dict[str, int]:
    """The vocabulary of a model, checked, and that there are merges. Raises ValueError where either has another form."""
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict):
        raise ValueError(f"{path}: expected model.vocab, an object of tokens with their ids, got {_kind(vocabulary)}")
    for token, id in vocabulary.items():
        if type(id) is not int or id < 0:
            raise ValueError(f"{path}: expected ids from 0 in model.vocab, got {id!r} for {token!r}")
    if merges and not isinstance(model.get("merges"), list):
        raise ValueError(f"{path}: expected model.merges, a list, got {_kind(model.get('merges'))}")
    unknown = model.get("unk_token")
    if unknown is not None and not isinstance(unknown, str):
        raise ValueError(f"{path}: expected model.unk_token, a token of the vocabulary, got {unknown!r}")
    return vocabulary


def _in_folder(path: Path, merges: str | Path | None) -> tuple[Path, str | Path | None]:
    """Of a folder its `tokenizer.json`, or `vocab.json` and `merges.txt`."""
    if not path.is_dir():
        return path, merges
    if (path / "tokenizer.json").is_file():
        return path / "tokenizer.json", None
    if not (path / "vocab.json").is_file():
        raise ValueError(f"{path}: expected a tokenizer.json, or a vocab.json with its merges.txt, found neither")
    return path / "vocab.json", merges or path / "merges.txt"


def _steps(path: Path, normalizer: Any) -> list[Any]:
    """The steps of `normalization` that a normalizer is."""
    return [step for part in _flat(path, normalizer, "normalizers") for step in _several(path, part)]


def _several(path: Path, part: Any) -> Sequence[Any]:
    if _kind(part) != "BertNormalizer":
        return [_step(path, part)]
    switches: Any = {name: part.get(name, default) for name, default in BERT.items()}
    return bert_steps(**switches)


def _step(path: Path, part: Any) -> Any:
    kind = _kind(part)
    if kind in _STEPS:
        return _STEPS[kind]
    if kind == "Prepend":
        return "prepend", part["prepend"]
    if kind == "Strip":
        return "strip", part["strip_left"], part["strip_right"]
    if kind == "Replace" and part["pattern"].get("String"):
        return "replace", part["pattern"]["String"], part["content"]
    if kind == "Replace" and part["pattern"].get("Regex"):
        return "substitute", translated(part["pattern"]["Regex"]), part["content"]
    known = ", ".join([*_STEPS, "BertNormalizer", "Prepend", "Replace", "Strip"])
    raise ValueError(f"{path}: expected a normalizer of {known}, or none, got {kind}")


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a file in UTF-8, got {type(error).__name__}: {error}") from error
    if text.startswith("\ufeff"):
        raise ValueError(f"{path}: expected UTF-8 without a byte order mark, which would be part of the first token")
    return text


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The last of equal keys would count, without a word."""
    content = dict(pairs)
    if len(content) < len(pairs):
        again = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise ValueError(f"{path}: expected every key once in an object, {again!r} comes again")
    return content


def _json_object(path: Path) -> dict:
    text = _text(path)
    if not text:
        raise ValueError(f"{path}: expected JSON, got an empty file")
    try:
        content = json.loads(text, object_pairs_hook=lambda pairs: _once(path, pairs))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content
