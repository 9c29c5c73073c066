"""Laws of byte-pair encoding: agreement with the reference, and what holds whatever the merges."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.pairs import (
    BYTES,
    Encoder,
    Learnt,
    Problem,
    drawn,
    learnt,
    plain,
    problems,
    texts_for,
    tokens_of,
)
from fixtures.strategies.texts import UTF_8, long_words
from reference.tokenizers.byte_pair_encoding import BytePairEncoding

UNKNOWN: dict[str, Any] = {"unknown": "?"}


def check(implementation, problem: Problem) -> None:
    """Tokens, ids and offsets are the reference's."""
    found, truth = (problem.encoder.built(made).encoding(problem.text) for made in (implementation, BytePairEncoding))
    judge.exact([list(column) for column in found], [list(column) for column in truth], "encoding")


@given(problem=problems(learnt(), **UNKNOWN))
def test_agrees_on_learnt_merges(implementation, problem: Problem):
    """Under merges learnt from a small corpus, with marks or without, the encoding is the reference's."""
    check(implementation, problem)


@given(problem=problems(drawn(), **UNKNOWN))
def test_agrees_on_drawn_merges(implementation, problem: Problem):
    """Under merges that no corpus ordered, with ids in any order, the encoding is the reference's."""
    check(implementation, problem)


@given(problem=problems(fuse_unknown=True, **UNKNOWN))
def test_agrees_where_unknown_characters_are_fused(implementation, problem: Problem):
    """The encoding is the reference's."""
    check(implementation, problem)


@given(problem=problems(byte_fallback=True))
def test_agrees_with_byte_fallback(implementation, problem: Problem):
    """Ids are the reference's, marks fall into bytes too."""
    found, truth = (problem.encoder.built(made).encode(problem.text) for made in (implementation, BytePairEncoding))
    judge.exact(found, truth, "ids")


@given(problem=problems(ignore_merges=True, **UNKNOWN))
def test_agrees_where_words_are_taken_whole(implementation, problem: Problem):
    """The encoding is the reference's."""
    check(implementation, problem)


@given(problem=problems())
def test_agrees_without_an_unknown_token(implementation, problem: Problem):
    """Ids are the reference's where unknown characters vanish."""
    found, truth = (problem.encoder.built(made).encode(problem.text) for made in (implementation, BytePairEncoding))
    judge.exact(found, truth, "ids")


@given(problem=problems(cut=False, **UNKNOWN))
def test_agrees_on_texts_that_are_not_cut(implementation, problem: Problem):
    """A whole text may be one word, spaces included."""
    check(implementation, problem)


def test_agrees_on_real_english(implementation):
    """Merges learnt from some pages of the Python documentation encode others as the reference does."""
    own, pages = english()
    tokenizer = implementation(dict(own.vocabulary), list(own.merges), unknown="?", end_of_word="</w>")
    for page, ids in pages.items():
        judge.exact(tokenizer.encode(page), ids, "ids")


@cache
def english() -> tuple[BytePairEncoding, dict[str, list[int]]]:
    """What the reference learns from some pages, and how it encodes others."""
    pages = list(topics().values())
    own = BytePairEncoding.train(pages[::20], 300, special=("?",), unknown="?", end_of_word="</w>")
    return own, {page: own.encode(page) for page in pages[1::30]}


@given(encoder=drawn(), word=long_words(100, 1000))
def test_agrees_on_long_words(implementation, encoder: Encoder, word: str):
    """A word of hundreds of letters is read like any other."""
    found, truth = (encoder.built(made).encode(word) for made in (implementation, BytePairEncoding))
    judge.exact(found, truth, "ids")


# Decoding


@pytest.mark.parametrize(
    ("options", "tokens", "text"),
    [
        ({}, ["a", "b", "ab"], "abab"),
        ({"continuing": "##"}, ["a", "##b", "b", "##b"], "ab bb"),
        ({"continuing": "##"}, ["##b", "a", "##b"], "##b ab"),
        ({"end_of_word": "</w>"}, ["a", "b</w>", "b</w>"], "ab b"),
        ({"end_of_word": "</w>"}, ["b</w>", "a", "b"], "b ab"),
        ({"byte_fallback": True}, ["a", "<0xC3>", "<0xA9>", "b"], "aéb"),
        ({"byte_fallback": True}, ["<0xC3>", "a", "<0xA9>", "<0xC3>", "<0xA9>"], "\ufffda\ufffd\ufffd\ufffd"),
        ({"byte_fallback": True}, ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"], "\U0001f600"),
        ({}, ["<0xC3>", "a"], "<0xC3>a"),
        ({"byte_fallback": True}, ["a", "<0xFF>", "b"], "a\ufffdb"),
        ({"byte_fallback": True}, ["<0x100>", "<0x41>"], "<0x100>A"),
    ],
    ids=ascii,
)
def test_decodes(implementation, options: dict, tokens: list[str], text: str):
    """Marks tell where spaces were; runs of bytes are read together; without marks nothing is between tokens."""
    encoder = Encoder(("a", "b", "ab", "##b", "b</w>", *BYTES, "<0x100>"), (), (), 6, options)
    judge.exact(encoder.built(implementation).decode(encoder.ids(*tokens)), text, "text")


@pytest.mark.parametrize("what", UTF_8)
def test_decodes_bytes_as_utf8_says(implementation, what: str):
    """Pit: a byte order mark and NUL are text like any other; what UTF-8 forbids, surrogates too, is U+FFFD."""
    content, text = UTF_8[what]
    encoder = Encoder(BYTES, options={"byte_fallback": True})
    judge.exact(encoder.built(implementation).decode(encoder.ids(*(BYTES[byte] for byte in content))), text, "text")


def test_odd_characters_are_decoded(implementation):
    """Pit: a byte order mark in front and NUL at the end are characters like any other."""
    encoder = plain("\ufeffa\0")
    judge.exact(encoder.built(implementation).decode(encoder.ids("\ufeff", "a", "\0")), "\ufeffa\0", "text")


def test_ids_may_come_once(implementation):
    """Any iterable of ids decodes, an iterator too."""
    encoder = plain("ab", ("a", "b"))
    judge.exact(encoder.built(implementation).decode(iter(encoder.ids("ab", "a", "b"))), "abab", "text")


@given(ids=st.lists(st.integers(0, 261), max_size=9), case=st.sampled_from(["bytes", "continuing", "end_of_word"]))
def test_decodes_any_ids(implementation, ids: list[int], case: str):
    """Ids in any order, also such as no text encodes to, decode as the reference decodes them."""
    options: dict[str, dict[str, Any]] = {
        "bytes": {"byte_fallback": True},
        "continuing": {"continuing": "##"},
        "end_of_word": {"end_of_word": "~"},
    }
    encoder = Encoder(("a", "b", "##b", "##a", "b~", "a~", *BYTES), (), (), 2, dict(options[case]))
    ids = [id % 6 if id % 3 else id for id in ids]
    found, truth = (encoder.built(made).decode(ids) for made in (implementation, BytePairEncoding))
    judge.exact(found, truth, "text")


@given(encoder=learnt(marks=({"continuing": "##"}, {"end_of_word": "</w>"})), data=st.data())
def test_decoding_undoes_encoding(implementation, encoder: Learnt, data):
    """Where words are marked and every character is known, texts come back, with one space between words."""
    letters = sorted({c for text in encoder.corpus for c in "".join(text.split())} | {"a"})
    text = data.draw(st.text(st.sampled_from([*letters, " "]), max_size=30), label="text")
    before, behind = encoder.options.get("continuing", ""), encoder.options.get("end_of_word", "")
    marked = {before * i + c + behind * n for c in letters for i in (0, 1) for n in (0, 1)}
    made = replace(encoder, unmerged=tuple(sorted(marked))).built(implementation)
    judge.exact(made.decode(made.encode(text)), " ".join(regex.findall(r"\S+", text)), "text")


# What holds whatever the merges


@given(problem=problems(byte_fallback=True, unknown="?"))
def test_nothing_is_unknown_with_byte_fallback(implementation, problem: Problem):
    """Every character has its bytes, if it has nothing else."""
    unknown = problem.encoder.vocabulary["?"]
    ids = problem.encoder.built(implementation).encode(problem.text.replace("?", ""))
    judge.exact(ids.count(unknown), 0, "unknown tokens")


@given(problem=problems(drawn(), **UNKNOWN), p=st.sampled_from([0.0, 0.3, 0.9]))
def test_tokens_spell_the_text(implementation, problem: Problem, p: float):
    """Known tokens are what stands at their offsets, with any dropout; offsets go forward and leave out only spaces."""
    _, tokens, offsets = problem.encoder.built(implementation, dropout=p).encoding(problem.text)
    spelt = [problem.text[begin:end] for begin, end in offsets]
    known = [token for token in tokens if token != "?"]
    judge.exact(known, [part for part, token in zip(spelt, tokens, strict=True) if token != "?"], "known tokens")
    judge.exact("".join(spelt), regex.sub(r"\s", "", problem.text), "text without spaces")


@given(encoder=drawn(("ab", "abc")), word=st.text("ab", min_size=12, max_size=40))
def test_no_merge_is_left_undone(implementation, encoder: Encoder, word: str):
    """Within a word no two neighbours of the result are a pair of the list."""
    found = tokens_of(implementation, encoder, word)
    judge.exact([pair for pair in pairwise(found) if pair in encoder.merges], [], "merges left")


@given(problem=problems(**UNKNOWN), order=st.integers(0, 999))
def test_ids_are_only_names(implementation, problem: Problem, order: int):
    """Other ids for the same tokens give the same tokens."""
    own = problem.encoder
    renamed = replace(own, order=order)
    expected = tokens_of(implementation, own, problem.text)
    judge.exact(tokens_of(implementation, renamed, problem.text), expected, "tokens")


@given(problem=problems(**UNKNOWN), data=st.data())
def test_words_are_read_one_by_one(implementation, problem: Problem, data):
    """Two texts with a space between are encoded as each of them."""
    other = data.draw(texts_for(problem.encoder), label="other")
    made = problem.encoder.built(implementation)
    judge.exact(made.encode(f"{problem.text} {other}"), made.encode(problem.text) + made.encode(other), "ids")


@given(problem=problems(**UNKNOWN), other=problems(**UNKNOWN))
def test_a_tokenizer_has_no_memory(implementation, problem: Problem, other: Problem):
    """Two tokenizers, used in turn on the same texts, know nothing of each other; tables stay the caller's."""
    tables = [(dict(p.encoder.vocabulary), list(p.encoder.merges), p.encoder.options) for p in (problem, other)]
    pairs = [(implementation(v, m, **o), BytePairEncoding(dict(v), list(m), **o)) for v, m, o in tables]
    for text in (problem.text, other.text, problem.text):
        for made, truth in pairs:
            judge.exact(made.encode(text), truth.encode(text), "ids")
    expected = [(p.encoder.vocabulary, list(p.encoder.merges), p.encoder.options) for p in (problem, other)]
    judge.exact(tables, expected, "tables")


def test_nothing_is_nothing(implementation):
    """Empty and blank texts have no ids, and no ids are the empty text."""
    made = plain("ab").built(implementation)
    judge.exact([made.encode(text) for text in ("", "  \n\u3000")], [[], []], "ids")
    judge.exact(made.decode([]), "", "text")
