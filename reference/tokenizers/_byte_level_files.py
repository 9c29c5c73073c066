"""The files in which byte-level byte-pair encoders are kept, read into the fields of `ByteLevelBPE`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import regex

from reference.tokenizers._added import added_fields
from reference.tokenizers._cutting import is_name
from reference.tokenizers._files import _expect, _flat, _in_folder, _json_object, _kind, _merges, _steps, _tables, _text
from reference.tokenizers._oniguruma import translated
from reference.tokenizers.pre_tokenization import GPT2, GPT4, GPT4O

# What a tokenizer.json may say besides its tables. Absent counts as the last value.
_MODEL = {
    "type": ("BPE", None),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "byte_fallback": (False, None),
    "ignore_merges": (False, True, None),
}
_BYTES = {"type": ("ByteLevel",), "add_prefix_space": (False,)}
_PUNCTUATION = r"[\p{P}$+<=>^`|~]"  # BERT's: all ASCII that is neither letter, number nor space as well
# Expressions that match everything, so that a text without what they leave is the whole text: also GPT-4's as
# conversions write it.
_WHOLE = {GPT2, GPT4, GPT4O, GPT4.replace("'(?i:[sdmt]|ll|ve|re)", "(?i:'s|'t|'re|'ve|'m|'ll|'d)")}


# One that leaves nothing but spaces: CLIP's.
_SOLID = {r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"}


def byte_level_fields(
    path: str | Path, merges: str | Path | None, letters: Mapping[int, str], **options: Any
) -> dict[str, Any]:
    """From a `tokenizer.json`, a `vocab.json` with its `merges.txt`, a folder with either, or a file of ranks.

    letters: of the bytes; options: fields that come before what the file says.
    """
    path, merges = _in_folder(Path(path), merges)
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
    model: Any = content.get("model")
    if "model" not in content:
        raise ValueError(f"{path}: expected a tokenizer.json with a model; a vocab.json needs its merges.txt as well")
    steps = _steps(path, content.get("normalizer"))
    cuts = _flat(path, content.get("pre_tokenizer"), "pretokenizers")
    pattern, prefixed = _cuts(path, cuts)
    _expect(path, "model", model, _MODEL)
    vocabulary = _tables(path, model)
    added = added_fields(content)
    # A token that merges cannot make and letters cannot spell is in the model for its id only.
    vocabulary = {t: id for t, id in vocabulary.items() if added["special"].get(t) != id or set(t) <= alphabet}
    return {
        "vocabulary": vocabulary,
        "merges": _merges(path, model["merges"]),
        "pattern": pattern,
        "steps": steps,
        "add_prefix_space": prefixed,
        "ignore_merges": bool(model.get("ignore_merges")),
        "end_of_word": model.get("end_of_word_suffix") or "",
        "drop_spaces": any(_split(part)[:2] == (("Removed", True), text) for part in cuts for text in _SOLID),
        "trim_offsets": _trims(_flat(path, content.get("post_processor"), "processors")),
        **added,
    }


def _cuts(path: Path, parts: list[Any]) -> tuple[str | list[str], bool]:
    """The expressions that cut one after the other, and whether a text gets a space in front. `ByteLevel` cuts as GPT-2
    does, or not at all; what comes after it cuts byte letters."""
    kinds = [_kind(part) for part in parts]
    if kinds.count("ByteLevel") != 1:
        raise ValueError(f"{path}: expected pre_tokenizer with one ByteLevel, got {', '.join(kinds) or None}")
    at = kinds.index("ByteLevel")
    if at:
        _expect(path, "pre_tokenizer", parts[at], _BYTES)  # a space would come before every part
    found = [_expression(path, part) for part in parts[:at]]
    if parts[at].get("use_regex", True):
        found.append("gpt2")
    if at + 1 < len(parts):
        found += ["bytes", *(_expression(path, part) for part in parts[at + 1 :])]
    return found[0] if len(found) == 1 else found, bool(parts[at].get("add_prefix_space", True))


def _expression(path: Path, part: Any) -> str:
    """What a pre-tokenizer keeps together and apart from the rest."""
    kind = _kind(part)
    if kind == "Digits":
        return r"\p{N}" if part.get("individual_digits") else r"\p{N}+"
    if kind == "Punctuation" and part.get("behavior", "Isolated") in ("Isolated", "Contiguous"):
        return _PUNCTUATION + ("+" if part.get("behavior") == "Contiguous" else "")
    kept, text, is_regex = _split(part)
    if text is None:
        raise ValueError(f"{path}: expected Split, Digits or Punctuation beside ByteLevel, got {kind}")
    if kept == ("Removed", True) and text not in _WHOLE | _SOLID:
        raise ValueError(f"{path}: expected nothing to be removed, but the Split may leave something: {text!r}")
    if kept not in (("Isolated", False), ("Removed", True)):
        raise ValueError(f"{path}: expected the Split to keep its matches, got {part.get('behavior')!r}")
    made = translated(text) if is_regex else regex.escape(text)
    return f"(?:{made})" if is_name(made) else made


def _split(part: Any) -> tuple[tuple[Any, bool], str | None, bool]:
    """What a `Split` does with its matches and whether with the rest instead, its text if it has one, and whether that
    is an expression."""
    wanted: Any = part.get("pattern") if _kind(part) == "Split" else None
    text = next(iter(wanted.values()), None) if isinstance(wanted, dict) and len(wanted) == 1 else None
    known = isinstance(text, str) and wanted.keys() <= {"Regex", "String"}
    return (part.get("behavior"), bool(part.get("invert"))), text if known else None, known and "Regex" in wanted


def _trims(processors: list[Any]) -> bool | str:
    """Whether one of them takes the spaces at the ends of tokens from their places, or all but one before the first."""
    kinds = ("ByteLevel", "RobertaProcessing")
    found = [part for part in processors if _kind(part) in kinds and part.get("trim_offsets", True)]
    return bool(found) and ("but the first" if found[0].get("add_prefix_space", True) else True)


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
