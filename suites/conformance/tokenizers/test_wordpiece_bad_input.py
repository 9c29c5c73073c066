"""Laws of WordPiece: what must raise, and the files that it is read from."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fixtures import judge
from fixtures.strategies.wordpieces import LETTERS, Pieces, columns
from reference.tokenizers.wordpiece import SPECIAL


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(implementation(LETTERS.vocabulary).encode, text)


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_encoded(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(implementation(LETTERS.vocabulary).encode, text)


@pytest.mark.parametrize("id", [1000, -1])
def test_unknown_ids_are_rejected(implementation, id: int):
    """An id that no token has raises; -1 is not the last one."""
    judge.rejects(implementation(LETTERS.vocabulary).decode, [5, id])


@pytest.mark.parametrize("id", [1.0, "1", None], ids=repr)
def test_ids_are_integers(implementation, id: Any):
    """What is only like an id raises."""
    judge.rejects(implementation(LETTERS.vocabulary).decode, [5, id])


def test_ids_do_not_wrap_around(implementation):
    """Pit: 4,294,967,297 is no id, though it is 1 to who keeps the last 32 bits of it."""
    judge.rejects(implementation(LETTERS.vocabulary).decode, [5, (1 << 32) + 1])


def test_a_vocabulary_without_the_unknown_token_is_rejected(implementation):
    """It raises, at the latest when a word is unknown."""
    vocabulary = {"a": 0, "##a": 1, "[CLS]": 2, "[SEP]": 3, "[PAD]": 4, "[MASK]": 5}
    judge.rejects(lambda: implementation(vocabulary).encode("a q"))


def test_an_id_of_two_tokens_is_rejected(implementation):
    """Two tokens of one id raise, at the latest when it is decoded."""

    def used() -> None:
        made = implementation({**LETTERS.vocabulary, "ab": 5})
        made.encode("ab")
        made.decode([5])

    judge.rejects(used)


@pytest.mark.parametrize("entry", [("ac", "256"), ("ac", 1.5), ("ac", -1), (7, 256)], ids=ascii)
def test_tokens_are_texts_and_ids_are_integers(implementation, entry: tuple[Any, Any]):
    """A vocabulary with anything else raises, at the latest when it is used."""
    judge.rejects(lambda: implementation({**LETTERS.vocabulary, entry[0]: entry[1]}).encode("ab"))


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_length_without_room_for_the_frame_is_rejected(implementation, length: int):
    """Two texts need three tokens around them."""
    made = implementation(LETTERS.vocabulary)
    judge.rejects(lambda: made.encode("a", "b", special=True, length=length))


def test_a_length_below_nothing_is_rejected(implementation):
    """Pit: -1 is no word for as much as there is."""
    judge.rejects(lambda: implementation(LETTERS.vocabulary).encode("a b", length=-1))


def test_a_frame_outside_the_vocabulary_is_rejected(implementation):
    """Who asks for `[CLS]` and `[SEP]` must have them."""
    judge.rejects(lambda: implementation({"[UNK]": 0, "a": 1, "##a": 2}).encode("a", special=True))


@pytest.mark.parametrize("names", [("A", "A"), ("AB", "AB"), ("A", "AAB"), ("A",)], ids=" ".join)
def test_frames_without_their_texts_are_rejected(implementation, names: tuple[str, ...]):
    """What is put around one text has that one, around two texts both, and each once."""
    frames = [[(f"${name}", 0) for name in frame] for frame in names]
    judge.rejects(lambda: implementation(LETTERS.vocabulary, frames=frames).encode("a", "b"))


# Files


def whole(pieces: Pieces, **normalizer: Any) -> dict[str, Any]:
    """The content of a `tokenizer.json` as BERT's is."""
    switches = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    frame = {"sep": ["[SEP]", pieces.vocabulary["[SEP]"]], "cls": ["[CLS]", pieces.vocabulary["[CLS]"]]}
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 9,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", **switches, **normalizer},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", **frame},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {**model, "vocab": pieces.vocabulary},
    }


def written(folder: str, files: dict[str, Any]) -> str:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        Path(folder, name).write_text(text, encoding="utf-8")
    return folder


FILES = Pieces(("\u2028", "\u00a0x", "\x85", "a", "##b", "É", "e", "#", "##é"))


def test_reads_a_vocabulary(implementation):
    """A `vocab.txt` has one token a line; its number is the id. Only line feeds end lines."""
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, {"vocab.txt": "".join(f"{t}\n" for t in FILES.vocabulary)}))
    judge.exact(made.encode("ab É# q"), FILES.ids("a", "##b", "e", "#", "[UNK]"), "ids")


def test_reads_how_a_vocabulary_is_used(implementation):
    """A `tokenizer_config.json` beside the `vocab.txt` says whether capitals count."""
    files = {
        "vocab.txt": "".join(f"{t}\n" for t in FILES.vocabulary),
        "tokenizer_config.json": {"do_lower_case": False},
    }
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, files))
    judge.exact(made.encode("a É A"), FILES.ids("a", "É", "[UNK]"), "ids")


@pytest.mark.parametrize("lowercase", [True, False])
def test_reads_a_whole_tokenizer(implementation, lowercase: bool):
    """A `tokenizer.json` says what is normalized, how long words may be, and what the frame is."""
    pieces = Pieces(FILES.pieces, 8)
    with tempfile.TemporaryDirectory() as folder:
        made = implementation.from_file(written(folder, {"tokenizer.json": whole(pieces, lowercase=lowercase)}))
    expected = pieces.ids("[CLS]", "e" if lowercase else "É", "a", *["##b"] * 8, "[UNK]", "[SEP]")
    judge.exact(made.encode(f"É a{'b' * 8} a{'b' * 9}", special=True), expected, "ids")


Frame = list[tuple[str, int]]
CLS, SEP = ("[CLS]", 0), ("[SEP]", 0)


def template(single: Frame, pair: Frame) -> dict[str, Any]:
    """A `TemplateProcessing`, in which `a` and `b` are the texts."""
    texts = {"a": "A", "b": "B"}
    single_parts, pair_parts = (
        [
            {"Sequence": {"id": texts[name], "type_id": type}}
            if name in texts
            else {"SpecialToken": {"id": name, "type_id": type}}
            for name, type in frame
        ]
        for frame in (single, pair)
    )
    tokens = {name: {"id": name, "ids": FILES.ids(name), "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    return {"type": "TemplateProcessing", "single": single_parts, "pair": pair_parts, "special_tokens": tokens}


def processing(kind: str) -> dict[str, Any]:
    return {"type": kind, "sep": ["[SEP]", *FILES.ids("[SEP]")], "cls": ["[CLS]", *FILES.ids("[CLS]")]}


BERTS: tuple[Frame, Frame] = ([CLS, ("a", 0), SEP], [CLS, ("a", 0), SEP, ("b", 1), ("[SEP]", 1)])
FUNNELS: tuple[Frame, Frame] = ([("[CLS]", 2), *BERTS[0][1:]], [("[CLS]", 2), *BERTS[1][1:]])
NO_END: tuple[Frame, Frame] = ([CLS, ("a", 1)], [("b", 0), CLS, ("a", 0)])
FRAMES: dict[str, tuple[Any, Frame, Frame]] = {
    "BERT's": (processing("BertProcessing"), *BERTS),
    "BERT's template": (template(*BERTS), *BERTS),
    "MPNet's": (
        processing("RobertaProcessing") | {"trim_offsets": True, "add_prefix_space": False},
        BERTS[0],
        [*BERTS[0], SEP, ("b", 0), SEP],
    ),
    "Funnel's": (template(*FUNNELS), *FUNNELS),
    "no end": (template(*NO_END), *NO_END),
    "none": (None, [("a", 0)], [("a", 0), ("b", 1)]),
}


@pytest.mark.parametrize("what", FRAMES)
def test_reads_what_is_put_around_texts(implementation, what: str):
    """Around one text and around two the file's post-processor puts its own tokens, and says of what type all are."""
    processor, single, pair = FRAMES[what]
    with tempfile.TemporaryDirectory() as folder:
        content = {**whole(FILES), "post_processor": processor}
        made = implementation.from_file(written(folder, {"tokenizer.json": content}))
    for frame, found in (
        (single, made.encoding("a", special=True)),
        (pair, made.encoding("a", "##", special=True, length=len(pair) + 1)),
    ):
        rows = [row for name, type in frame for row in ([("#", type)] * 2 if name == "b" else [(name, type)])]
        judge.exact(columns(found)[0], FILES.ids(*(name for name, _ in rows)), "ids")
        judge.exact(columns(found)[3], [type for _, type in rows], "types")


BROKEN: dict[str, dict[str, Any]] = {
    "not JSON": {"tokenizer.json": "{"},
    "not an object": {"tokenizer.json": "[]"},
    "no model": {"tokenizer.json": {"version": "1.0"}},
    "no vocabulary": {"tokenizer.json": {**whole(FILES), "model": {"type": "WordPiece", "unk_token": "[UNK]"}}},
    "another model": {"tokenizer.json": {**whole(FILES), "model": {"type": "Nothing", "vocab": FILES.vocabulary}}},
    "a frame that is none": {"tokenizer.json": {**whole(FILES), "post_processor": 5}},
    "an id that is none": {
        "tokenizer.json": {**whole(FILES), "model": whole(FILES)["model"] | {"vocab": {**FILES.vocabulary, "a": "x"}}}
    },
    "no files": {},
    "a token on two lines": {"vocab.txt": "".join(f"{t}\n" for t in (*SPECIAL, "a", "b", "a"))},
    "a line without a token": {"vocab.txt": "".join(f"{t}\n" for t in (*SPECIAL, "a", "", "b"))},
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files_are_rejected(implementation, what: str):
    """What is damaged, incomplete or not there raises."""
    with tempfile.TemporaryDirectory() as folder:
        judge.rejects(implementation.from_file, written(folder, BROKEN[what]))
