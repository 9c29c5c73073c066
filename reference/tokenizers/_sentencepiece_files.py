"""A `tokenizer.json` that stands for a SentencePiece model, read into the fields of the references."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reference.tokenizers._added import added_fields
from reference.tokenizers._files import _expect, _flat, _json_object, _kind, _merges, _tables
from reference.tokenizers._sentencepiece import SPACE, PieceLike
from reference.tokenizers._sentencepiece_rules import CompiledRules, Spaced

_STEPS = {name.upper(): name for name in ("nfc", "nfd", "nfkc", "nfkd")}
_STEPS |= {"Nmt": "nmt", "Lowercase": "lowercase", "StripAccents": "strip_marks"}

_STRIPPED = {"left", "right", "early"}
"""What is known once a `Strip` was seen."""


def piece_fields(path: str | Path, algorithm: str) -> dict[str, Any]:
    """From a `tokenizer.json` of a Unigram or BPE model, or a folder with one. Raises ValueError for any other.

    Nothing is read of what is put around a text (`<s>`), for `encode` puts nothing around it.
    """
    path = Path(path)
    path = path / "tokenizer.json" if path.is_dir() else path
    if path.suffix == ".model":
        raise ValueError(
            f"{path}: expected the tokenizer.json that a SentencePiece model is converted to, got the model"
        )
    content = _json_object(path)
    model = content.get("model")
    if not isinstance(model, dict) or _algorithm(model) != algorithm:
        raise ValueError(f"{path}: expected a tokenizer.json with a model of type {algorithm}, got {_kind(model)}")
    fields, found = _normalizer(path, content)
    rows, unknown = (_unigram if algorithm == "Unigram" else _bpe)(path, model)
    fallback = bool(model.get("byte_fallback"))
    added = added_fields(content)
    control = {token["content"] for token in content.get("added_tokens") or [] if token.get("special")}
    if found["early"] and found["late"] and added["normalized"]:  # XLM-R's, once `add_tokens` has added some
        tidied = _tidied(_flat(path, content.get("normalizer"), "normalizers"))
        if tidied is None or found["all"]:
            raise ValueError(
                f"{path}: expected words to be cut either before or after normalized tokens are looked for"
            )
        fields |= {"tidied": tidied, "remove_extra_whitespaces": False}
    made = {left + right for left, right in _merges(path, model.get("merges") or [])}
    pieces: list[PieceLike] = []
    for id, (text, score) in enumerate(rows):
        kind = "normal"
        if id == unknown or text == unknown:
            kind = "unknown"
        elif text in control:
            kind = "control"
        elif fallback and re.fullmatch("<0x[0-9A-F]{2}>", text):
            kind = "byte"
        elif (found["words"] and SPACE in text[1:]) or (algorithm == "BPE" and len(text) > 1 and text not in made):
            kind = "unused"  # no text leads to it
        pieces.append((text, float(score), kind))
    if algorithm == "BPE":
        if not model.get("fuse_unk") and not fallback:
            raise ValueError(
                f"{path}: expected fuse_unk or byte_fallback, as in SentencePiece, which joins what is unknown"
            )
        if not _are_scores(pieces, _merges(path, model["merges"])):
            fields["merges"] = _merges(path, model["merges"])
        if found["words"] and any(SPACE in text[1:] for text, _, kind in pieces if kind == "unused"):
            raise ValueError(f"{path}: expected no cut at spaces where pieces have spaces inside")
    else:
        fields["words_apart"] = found["words"]
    return {"pieces": pieces, "byte_fallback": fallback, "spaces_last": found["late"], **added, **fields}


def _algorithm(model: Mapping[str, Any]) -> str:
    kind = model.get("type")
    return str(kind) if kind else "BPE" if "merges" in model else "Unigram"


def _unigram(path: Path, model: Mapping[str, Any]) -> tuple[list[tuple[str, float]], Any]:
    rows = model.get("vocab")
    if not isinstance(rows, list):
        raise ValueError(f"{path}: expected model.vocab, a list of pieces with their scores, got {_kind(rows)}")
    for row in rows:
        if (
            not isinstance(row, list)
            or len(row) != 2
            or not isinstance(row[0], str)
            or type(row[1]) not in (int, float)
        ):
            raise ValueError(f"{path}: expected a piece and its score in each row of model.vocab, got {row!r}")
    if type(model.get("unk_id")) is not int or not 0 <= model["unk_id"] < len(rows):
        raise ValueError(f"{path}: expected model.unk_id, from 0 to {len(rows) - 1}, got {model.get('unk_id')!r}")
    return [(text, score) for text, score in rows], model["unk_id"]


def _bpe(path: Path, model: Mapping[str, Any]) -> tuple[list[tuple[str, float]], Any]:
    """The score of a piece is the first place among the merges at which it is made."""
    vocabulary = _tables(path, model)
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"):
        if model.get(option):
            raise ValueError(f"{path}: expected no model.{option}, as in SentencePiece, got {model[option]!r}")
    texts = sorted(vocabulary, key=lambda text: vocabulary[text])
    if [vocabulary[text] for text in texts] != list(range(len(texts))):
        raise ValueError(f"{path}: expected ids from 0 to {len(texts) - 1} in model.vocab, each once")
    ranks: dict[str, int] = {}
    merges = _merges(path, model["merges"])
    for left, right in merges:
        if not {left, right, left + right} <= vocabulary.keys():
            raise ValueError(f"{path}: expected merges of two tokens into a third, got {(left, right)!r}")
        ranks.setdefault(left + right, len(ranks))
    if again := [pair for pair, number in Counter(merges).items() if number > 1]:
        raise ValueError(f"{path}: expected every merge once, {again[0]!r} comes again")
    unknown = model.get("unk_token") or "<unk>"
    if unknown not in vocabulary:
        raise ValueError(f"{path}: expected the unknown token {unknown!r} in model.vocab")
    return [(text, -ranks.get(text, len(ranks))) for text in texts], unknown


def _are_scores(pieces: Sequence[PieceLike], merges: list[tuple[str, str]]) -> bool:
    """Whether the merges say no more than scores do: all halves of a piece, one after the other."""
    normal = {text for text, _, kind in pieces if kind == "normal"}
    given = {pair for pair in merges if "".join(pair) in normal and normal.issuperset(pair)}
    halves = {(text[:n], text[n:]) for text in normal for n in range(1, len(text))}
    made = ["".join(pair) for pair in merges]
    order = [text for n, text in enumerate(made) if n == 0 or made[n - 1] != text]
    return {pair for pair in halves if normal.issuperset(pair)} <= given and len(order) == len(set(order))


def _normalizer(path: Path, content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bool]]:
    """The options of SentencePiece's normalizer that normalizer and pre-tokenizer together are."""
    fields: dict[str, Any] = {"add_dummy_prefix": False, "escape_whitespaces": False}
    found = dict.fromkeys(("left", "right", "runs", "all", "words", "early", "late"), False)
    rules: Any = {}
    steps: list[Any] = []
    early = _flat(path, content.get("normalizer"), "normalizers")
    for n, part in enumerate([*early, *_flat(path, content.get("pre_tokenizer"), "pretokenizers")]):
        kind, pattern = _kind(part), part.get("pattern") or {}
        _expect(path, f"pattern of {kind}", pattern, {})
        first, seen = not rules and not any(found.values()), "early" if n < len(early) else "late"
        if kind == "Precompiled" and not rules and not any(found[what] for what in found.keys() - _STRIPPED):
            rules = _table(path, part.get("precompiled_charsmap"))
            found |= dict.fromkeys(_STRIPPED, False)  # what was stripped before, as DeBERTa's, rules may bring again
            continue
        if kind in _STEPS and first:
            steps.append(_STEPS[kind])
            continue
        if kind == "Replace" and pattern.get("Regex") in (" {2,}", r"\s{2,}", "[ ]{2,}"):
            found["runs"] = True
        elif kind == "Replace" and (pattern.get("String"), part.get("content")) == (" ", SPACE):
            fields["escape_whitespaces"] = True
        elif kind == "Replace" and pattern.get("String") and first:
            steps.append(("replace", pattern["String"], part["content"]))
            continue
        elif kind == "Split" and pattern == {"String": " "} and fields["escape_whitespaces"]:
            continue  # there is no space any more, as in Gemma's files
        elif kind == "Prepend" and part.get("prepend") == SPACE:
            fields["add_dummy_prefix"] = True
        elif kind == "Strip":
            left, right = (bool(part.get(f"strip_{side}", part.get(side))) for side in ("left", "right"))
            if first:
                steps.append(("strip", left, right))
            found["left"] |= left
            found["right"] |= right
        elif kind == "WhitespaceSplit":
            found |= dict.fromkeys(("left", "right", "runs", "all", "words"), True)
        elif kind == "Metaspace" and part.get("replacement", SPACE) == SPACE:
            scheme = part.get("prepend_scheme", "always" if part.get("add_prefix_space", True) else "never")
            if scheme not in ("always", "first", "never"):
                raise ValueError(f"{path}: expected prepend_scheme always, first or never, got {scheme!r}")
            prefix = {"always": "missing", "first": "first", "never": False}[scheme]
            fields |= {"add_dummy_prefix": prefix, "escape_whitespaces": True}
            found["words"] |= part.get("split", True) is not False
        else:
            shown = {name: value for name, value in part.items() if name != "precompiled_charsmap"}
            raise ValueError(f"{path}: expected a normalizer as SentencePiece's converted models have it, got {shown}")
        found[seen] = True
    if found["all"] and fields["add_dummy_prefix"] != "missing":
        raise ValueError(f"{path}: expected Metaspace of prepend_scheme always after WhitespaceSplit, as in T5's file")
    rules = Spaced(CompiledRules(rules) if rules else None) if found["all"] else rules
    prefixed = bool(fields["add_dummy_prefix"])
    trimmed = found["all"] or (found["runs"] and found["right"] and (found["left"] or prefixed))
    if rules and not trimmed and (found["left"] or found["right"]):
        raise ValueError(f"{path}: expected spaces to be removed at both ends or none")
    ends = "words" if found["all"] else "stripped" if trimmed else "inner" if found["runs"] else False
    fields["remove_extra_whitespaces"] = ends
    return {**fields, "rules": rules, "steps": tuple(steps)}, found


def _tidied(early: Sequence[Mapping[str, Any]]) -> tuple[Any, ...] | None:
    """What a normalizer does to spaces, as steps; None where it makes letters of them, or begins a text with one."""
    steps: list[Any] = []
    for part in early:
        if part["type"] == "Precompiled":
            steps = []  # those before it are done before the rules
        elif part["type"] == "Strip":
            steps.append(("strip", part["strip_left"], part["strip_right"]))
        elif part["type"] == "Replace" and "Regex" in part["pattern"]:
            steps.append(("substitute", part["pattern"]["Regex"], part["content"]))
        elif part["type"] == "Prepend" or part.get("pattern") == {"String": " "}:
            return None
    return tuple(steps)


def _table(path: Path, content: Any) -> bytes | dict[str, str]:
    try:
        raw = base64.b64decode(content or "", validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"{path}: expected precompiled_charsmap in base 64, got {error}") from error
    if raw:
        CompiledRules(raw)  # raises where it is none
    return raw or {}
