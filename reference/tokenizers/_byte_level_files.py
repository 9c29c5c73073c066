"""The files in which byte-level byte-pair encoders are kept, read into the fields of `ByteLevelBPE`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reference.tokenizers._files import _expect, _json_object, _kind, _merges, _text

# What a tokenizer.json may say besides its tables. Absent counts as the last value.
_MODEL = {
    "type": ("BPE", None),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False, None),
    "ignore_merges": (False, True, None),
}
_BYTES = {"type": ("ByteLevel",), "add_prefix_space": (False,)}
_FLAGS = ("lstrip", "rstrip", "single_word")


def byte_level_fields(
    path: str | Path, merges: str | Path | None, letters: Mapping[int, str], **options: Any
) -> dict[str, Any]:
    """From a `tokenizer.json`, a `vocab.json` with its `merges.txt`, a folder with either, or a file of ranks.

    letters: of the bytes; options: fields that come before what the file says.
    """
    path = Path(path)
    if path.is_dir():
        whole = path / "tokenizer.json"
        path, merges = (whole, None) if whole.exists() else (path / "vocab.json", merges or path / "merges.txt")
    if merges is not None:
        found = {"vocabulary": _json_object(path), "merges": _merges(Path(merges), _text(Path(merges)).split("\n"))}
    elif path.suffix == ".json":
        found = _whole(path, _json_object(path), set(letters.values()))
    elif "pattern" not in options:
        raise ValueError(f"{path}: expected a pattern as well; a file of ranks does not tell where words end")
    else:
        found = _of_ranks(path, letters)
    return {**found, **options}


def _whole(path: Path, content: dict[str, Any], alphabet: set[str]) -> dict[str, Any]:
    model = content.get("model")
    if "model" not in content:
        raise ValueError(f"{path}: expected a tokenizer.json with a model; a vocab.json needs its merges.txt as well")
    if content.get("normalizer") is not None:
        raise ValueError(f"{path}: expected no normalizer, got {_kind(content['normalizer'])}")
    pattern = _pattern(path, content.get("pre_tokenizer"))
    _expect(path, "model", model, _MODEL)
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict) or "merges" not in model:
        raise ValueError(f"{path}: expected model.vocab, an object, and model.merges, a list")
    if not isinstance(model["merges"], list):
        raise ValueError(f"{path}: expected model.merges, a list, got {_kind(model['merges'])}")
    added = content.get("added_tokens") or []
    if not all(isinstance(one, dict) and {"content", "id"} <= one.keys() for one in added):
        raise ValueError(f"{path}: expected added_tokens to have content and id")
    special = {one["content"]: one["id"] for one in added}
    # A token that merges cannot make and letters cannot spell is in the model for its id only.
    vocabulary = {t: id for t, id in model["vocab"].items() if special.get(t) != id or set(t) <= alphabet}
    return {
        "vocabulary": vocabulary,
        "merges": _merges(path, model["merges"]),
        "pattern": pattern,
        "special": special,
        "ignore_merges": bool(model.get("ignore_merges")),
        **{flag: frozenset(one["content"] for one in added if one.get(flag)) for flag in _FLAGS},
    }


def _pattern(path: Path, cutter: Any) -> str:
    """`ByteLevel` cuts as GPT-2 does, or not at all; or a `Split` before it does."""
    steps = cutter.get("pretokenizers") if _kind(cutter) == "Sequence" else [cutter]
    if not isinstance(steps, list) or not 1 <= len(steps) <= 2:
        raise ValueError(f"{path}: expected pre_tokenizer to be ByteLevel, or Split and ByteLevel, got {_kind(cutter)}")
    if len(steps) == 1:
        _expect(path, "pre_tokenizer", steps[0], _BYTES)
        return "gpt2" if steps[0].get("use_regex", True) else r"(?s).+"
    split, last = steps
    _expect(path, "pre_tokenizer", last, _BYTES | {"use_regex": (False,)})
    wanted = split.get("pattern") if _kind(split) == "Split" else None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("Regex"), str):
        raise ValueError(f"{path}: expected a Split at a Regex before ByteLevel, got {_kind(split)}")
    # Whether matches are kept, or what is not between them is removed: the same for an expression that leaves nothing.
    if (split.get("behavior"), bool(split.get("invert"))) not in (("Isolated", False), ("Removed", True)):
        raise ValueError(f"{path}: expected the Split to keep its matches, got {split.get('behavior')!r}")
    return wanted["Regex"]


def _of_ranks(path: Path, letters: Mapping[int, str]) -> dict[str, Any]:
    """tiktoken's: a line for each token, its bytes in base64 and its rank, which is its id as well.

    It merges whatever is a token together, so all pairs that make one are listed, in the order of what they make.
    """
    vocabulary: dict[str, int] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            code, rank = line.split()
            token = "".join(letters[byte] for byte in base64.b64decode(code, validate=True))
            if token in vocabulary:
                raise ValueError("a token that was there before")
            vocabulary[token] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise ValueError(f"{path}: expected base64 and a rank in line {number}, got {line!r}: {error}") from error
    made = (
        (rank, vocabulary[left], vocabulary[right], left, right)
        for token, rank in vocabulary.items()
        for left, right in ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        if left in vocabulary and right in vocabulary
    )
    pairs = [(left, right) for *_, left, right in sorted(made)]
    return {"vocabulary": vocabulary, "merges": pairs, "ignore_merges": True}
