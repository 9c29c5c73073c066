"""Laws of WordPiece: what holds whatever the pieces, and agreement with the reference."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.wordpieces import (
    LETTERS,
    Pieces,
    Problem,
    columns,
    problems,
    texts_for,
    tokens_of,
    vocabularies,
)
from fixtures.zoo import minilm
from reference.tokenizers.wordpiece import WordPiece


@given(problem=problems())
def test_agrees_on_drawn_pieces(implementation, problem: Problem):
    """The ids are the reference's, whatever the pieces and their ids."""
    vocabulary = problem.vocabulary.vocabulary
    judge.exact(
        implementation(dict(vocabulary)).encode(problem.text), WordPiece(vocabulary).encode(problem.text), "ids"
    )


@given(problem=problems())
def test_tokens_and_offsets_agree(implementation, problem: Problem):
    """Tokens, their places and types are the reference's too."""
    vocabulary = problem.vocabulary.vocabulary
    found = implementation(dict(vocabulary)).encoding(problem.text)
    judge.exact(columns(found), columns(WordPiece(vocabulary).encoding(problem.text)), "encoding")


@given(problem=problems(), special=st.booleans(), data=st.data())
def test_pairs_agree(implementation, problem: Problem, special: bool, data):
    """Two texts in their frame: `[CLS] A [SEP] B [SEP]`, offsets into each, types 0 and 1."""
    other = data.draw(texts_for(problem.vocabulary), label="other") + " "
    both = [make(dict(problem.vocabulary.vocabulary)) for make in (implementation, WordPiece)]
    found, truth = (columns(made.encoding(problem.text, other, special=special)) for made in both)
    judge.exact(found, truth, "encoding")


@given(problem=problems(), other=st.none() | st.sampled_from([" ", "a b", "the"]))
def test_frames_agree(implementation, problem: Problem, other: str | None):
    """The ids of one text or two, framed."""
    both = [make(dict(problem.vocabulary.vocabulary)) for make in (implementation, WordPiece)]
    found, truth = (made.encode(problem.text, other, special=True) for made in both)
    judge.exact(found, truth, "ids")


def test_the_frame_is_an_option(implementation):
    """The tokens around a text have any name."""
    pieces = Pieces(("a", "<s>", "</s>"))
    found = implementation(pieces.vocabulary, begin="<s>", end="</s>").encode("a", "a", special=True)
    judge.exact(found, pieces.ids("<s>", "a", "</s>", "a", "</s>"), "ids")


@given(n=st.integers(0, 9), length=st.integers(2, 12), special=st.booleans())
def test_one_text_is_cut_at_its_end(implementation, n: int, length: int, special: bool):
    """Of one text the beginning stays, the frame too."""
    room = length - 2 * special
    inner = LETTERS.ids(*["a", "b", "c", "d", "e", "x", "y", "z", "3"][: min(n, room)])
    expected = [*LETTERS.ids("[CLS]"), *inner, *LETTERS.ids("[SEP]")] if special else inner
    text = " ".join("abcdexyz3"[:n])
    judge.exact(implementation(LETTERS.vocabulary).encode(text, special=special, length=length), expected, "ids")


@given(first=st.integers(0, 9), second=st.integers(0, 9), room=st.integers(0, 12))
def test_the_longer_of_two_texts_is_cut(implementation, first: int, second: int, room: int):
    """Tokens go from the longer text until the two are equally long, then from both in turn."""
    small = min(first, second)
    if room >= 2 * small:
        kept = (min(first, max(small, room - small)), min(second, max(small, room - small)))
    else:
        room -= room % 2 if first <= second else 0
        kept = (room - room // 2, room // 2)
    made = implementation(LETTERS.vocabulary)
    found = made.encode(" ".join("a" * first), " ".join("b" * second) or " ", special=True, length=room + 3)
    a, b = (LETTERS.ids(*letter * n) for letter, n in zip("ab", kept, strict=True))
    cls, sep = LETTERS.ids("[CLS]"), LETTERS.ids("[SEP]")
    judge.exact(found, [*cls, *a, *sep, *b, *sep], "ids")


@pytest.mark.parametrize("lengths", [(5, 5), (4, 6)], ids=["5 and 5", "4 and 6"])
def test_of_two_equally_long_texts_the_second_is_cut(implementation, lengths: tuple[int, int]):
    """Pit: where there is room for one token more, the first text has it. Source: `_truncate_seq_pair` of BERT's code."""
    first, second = (" ".join(letter * n) for letter, n in zip("ab", lengths, strict=True))
    judge.exact(implementation(LETTERS.vocabulary).encode(first, second, length=5), LETTERS.ids(*"aaabb"), "ids")


def test_an_empty_second_text_is_a_text(implementation):
    """Pit: it has its place in the frame, `[CLS] A [SEP] [SEP]`, like any other."""
    found = implementation(LETTERS.vocabulary).encode("a", "", special=True)
    judge.exact(found, LETTERS.ids("[CLS]", "a", "[SEP]", "[SEP]"), "ids")


SAMPLES = (
    "MiniLM's vocabulary: 30,522 word-pieces; $3.50 for unaffable Übergrößen?",
    "naïve café — Ångström’s “quoted” text… \u0645\u0631\u062d\u0628\u0627 שלום \u65e5\u672c\u8a9e \u0939\u093f",
    "if x_1 != y[0]:\n\treturn f'{x!r}' # https://a.b/?c=d#e \U0001f600 x\u00b2 ½",
    "ABSURDLYLONGWORD" * 7 + " " + "pneumonoultramicroscopicsilicovolcanoconiosis",
)


def test_agrees_under_a_real_vocabulary(implementation):
    """MiniLM's 30 522 tokens on pages of the Python documentation and on odd texts."""
    vocabulary, encoded = real()
    made = implementation(dict(vocabulary))
    for text, ids in encoded.items():
        judge.exact(made.encode(text), ids, "ids")


@cache
def real() -> tuple[dict[str, int], dict[str, list[int]]]:
    """MiniLM's vocabulary, and how the reference encodes texts with it."""
    vocabulary = minilm.tokenizer().get_vocab(with_added_tokens=False)
    truth = WordPiece(vocabulary)
    return vocabulary, {text: truth.encode(text) for text in [*SAMPLES, *list(topics().values())[::30]]}


# What holds whatever the pieces


@given(problem=problems())
def test_offsets_go_forward_within_the_text(implementation, problem: Problem):
    """Every token has a place in the text, and places neither go back nor overlap, unless one character gave two."""
    offsets = columns(implementation(problem.vocabulary.vocabulary).encoding(problem.text))[2]
    judge.exact([0 <= begin < end <= len(problem.text) for begin, end in offsets], [True] * len(offsets), "inside")
    starts = [begin for begin, _ in offsets]
    judge.exact(starts, sorted(starts), "begins")


@given(pieces=vocabularies(), words=st.lists(st.text("abc", min_size=1, max_size=9), max_size=6), data=st.data())
def test_words_are_read_one_by_one(implementation, pieces: Pieces, words: list[str], data):
    """A text of words is encoded as its words are, whatever spaces are between them."""
    made = implementation(pieces.vocabulary)
    gaps = data.draw(st.lists(st.sampled_from([" ", "\n", "\u3000", " \t "]), min_size=len(words), max_size=len(words)))
    text = "".join(word + gap for word, gap in zip(words, gaps, strict=True))
    judge.exact(made.encode(text), [id for word in words for id in made.encode(word)], "ids")


@given(problem=problems(), order=st.integers(0, 999))
def test_ids_are_only_names(implementation, problem: Problem, order: int):
    """Other ids for the same tokens give the same tokens."""
    pieces = problem.vocabulary
    renamed = Pieces(pieces.pieces, order)
    expected = tokens_of(implementation, pieces, problem.text)
    judge.exact(tokens_of(implementation, renamed, problem.text), expected, "tokens")


def test_nothing_is_nothing(implementation):
    """Empty and blank texts have no ids but those of the frame; no ids are the empty text."""
    made = implementation(LETTERS.vocabulary)
    for text in ("", " ", "\n\u3000 ", "\x00", "\u0301"):
        judge.exact(made.encode(text), [], "ids")
        judge.exact(made.encode(text, special=True), LETTERS.ids("[CLS]", "[SEP]"), "ids")
    judge.exact(made.decode([]), "", "text")


@given(problem=problems(), other=problems())
def test_a_tokenizer_has_no_memory(implementation, problem: Problem, other: Problem):
    """Two tokenizers, used in turn on the same texts, know nothing of each other nor of what was asked before."""
    tables = [dict(p.vocabulary.vocabulary) for p in (problem, other)]
    pairs = [(implementation(table), WordPiece(dict(table))) for table in tables]
    for text in (problem.text, other.text, problem.text):
        for made, truth in pairs:
            judge.exact(made.encode(text, length=3), truth.encode(text, length=3), "ids")
            judge.exact(made.encode(text), truth.encode(text), "ids")
    judge.exact(tables, [p.vocabulary.vocabulary for p in (problem, other)], "vocabulary")


# Decoding


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a", "##b", "c"], "ab c"),
        (["##b", "a"], "##b a"),
        (["a", "b"], "a b"),
        (["[CLS]", "a", "[UNK]", "[SEP]"], "[CLS] a [UNK] [SEP]"),
        (["##b", "##b", "##s"], "##bbs"),
    ],
    ids=["joined", "first as it is", "apart", "special tokens stay", "nothing but continuations"],
)
def test_decoding_joins_pieces(implementation, pieces: list[str], text: str):
    """What has no prefix follows a space, what has one loses it, unless it is the first."""
    vocabulary = Pieces(("a", "b", "c", "##b", "##s"), 7)
    judge.exact(implementation(vocabulary.vocabulary).decode(vocabulary.ids(*pieces)), text, "text")


def test_odd_characters_are_decoded(implementation):
    """Pit: a byte order mark in front and NUL at the end are characters like any other."""
    vocabulary = Pieces(("\ufeff", "##a", "##\0"))
    ids = vocabulary.ids("\ufeff", "##a", "##\0")
    judge.exact(implementation(vocabulary.vocabulary).decode(ids), "\ufeffa\0", "text")


def test_ids_may_come_once(implementation):
    """Any iterable of ids decodes, an iterator too."""
    ids = LETTERS.ids("a", "##b", "c")
    judge.exact(implementation(LETTERS.vocabulary).decode(iter(ids)), "ab c", "text")


def test_decoding_cleans_up(implementation):
    """By default no space stands before `.`, `,`, `?` and `!`; it does before other marks."""
    vocabulary = Pieces((*"ab.,?!:'", "##b"))
    ids = vocabulary.ids("a", "##b", ",", "b", ":", "a", "?", "!", "b", ".")
    judge.exact(implementation(vocabulary.vocabulary).decode(ids), "ab, b : a?! b.", "text")


def test_decoding_cleans_up_token_by_token(implementation):
    """Pit: `do not` stays `do not`, and an apostrophe keeps its spaces: they are in several tokens."""
    vocabulary = Pieces((*"ab'", "do", "not"))
    ids = vocabulary.ids("a", "do", "not", "b", "'", "a")
    judge.exact(implementation(vocabulary.vocabulary).decode(ids), "a do not b ' a", "text")


@given(ids=st.lists(st.integers(0, 13), max_size=12), cleanup=st.booleans())
def test_cleaning_up_is_an_option(implementation, ids: list[int], cleanup: bool):
    """Any ids decode as the reference decodes them, cleaned up or not."""
    vocabulary = Pieces((*"ab.,?", "'s", "n't", "##a", "##."), 3).vocabulary
    found, truth = (made(dict(vocabulary), cleanup=cleanup).decode(ids) for made in (implementation, WordPiece))
    judge.exact(found, truth, "text")


@given(words=st.lists(st.text("abcdexyz", min_size=1, max_size=9), max_size=6))
def test_decoding_undoes_encoding_of_plain_words(implementation, words: list[str]):
    """Words of known lower-case letters come back, with one space between."""
    made = implementation(LETTERS.vocabulary)
    judge.exact(made.decode(made.encode("  ".join(words))), " ".join(words), "text")
