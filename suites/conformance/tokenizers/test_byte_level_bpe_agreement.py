"""Laws of byte-level byte-pair encoding: agreement with the reference, and what holds whatever the merges."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.texts import UTF_8, long_words, texts
from fixtures.strategies.vocabularies import (
    Learnt,
    Problem,
    Tables,
    built,
    drawn,
    in_letters,
    learnt,
    problems,
    reference,
)
from reference.tokenizers.byte_level_bpe import BYTES, LETTERS

# Agreement


@given(problem=problems(learnt()))
def test_agrees_on_learnt_merges(implementation, problem: Problem):
    """Under merges learnt from a small corpus the ids are the reference's."""
    ids = built(implementation, problem.tables).encode(problem.text)
    judge.exact(ids, reference(problem.tables).encode(problem.text), "ids")


@given(problem=problems(drawn()))
def test_agrees_on_drawn_merges(implementation, problem: Problem):
    """Under merges that no corpus ordered, with ids in any order, the ids are the reference's."""
    ids = built(implementation, problem.tables).encode(problem.text)
    judge.exact(ids, reference(problem.tables).encode(problem.text), "ids")


@cache
def english_truth() -> tuple[Learnt, list[tuple[str, list[int]]]]:
    """Tables that half of the Python documentation teaches, and pages of the other half with their ids."""
    pages = list(topics().values())
    tables = Learnt(tuple(pages[::2]), 2000)
    encode = reference(tables).encode
    return tables, [(page, encode(page)) for page in pages[1::4]]


def test_agrees_on_real_english(implementation):
    """Merges learnt from half of the Python documentation encode pages of the other half as the reference does."""
    tables, pages = english_truth()
    tokenizer = built(implementation, tables)
    for page, ids in pages:
        judge.exact(tokenizer.encode(page), ids, "ids")


@given(tables=drawn(), word=long_words(100, 1000))
def test_agrees_on_long_words(implementation, tables: Tables, word: str):
    """A word of hundreds of letters is encoded as the reference does it; some libraries change the algorithm there."""
    judge.exact(built(implementation, tables).encode(word), reference(tables).encode(word), "ids")


@given(tables=learnt() | drawn(), data=st.data())
def test_decodes_any_ids(implementation, tables: Tables | Learnt, data):
    """Ids in any order, also such as no text encodes to, decode as the reference decodes them."""
    high = [id for token, id in tables.vocabulary.items() if BYTES[token[0]] > 127]
    some = st.sampled_from(high) | st.integers(0, len(tables.vocabulary) - 1)
    ids = data.draw(st.lists(some, max_size=20), label="ids")
    judge.exact(built(implementation, tables).decode(ids), reference(tables).decode(ids), "text")


def test_decodes_a_token_of_every_byte(implementation):
    """What is no UTF-8 in a token becomes U+FFFD, one for each maximal beginning of a character."""
    letters = sorted(BYTES)
    merges = [("".join(letters[:n]), letters[n]) for n in range(1, 256)]
    tables = Tables(tuple(merges))
    text = bytes(BYTES[letter] for letter in letters).decode(errors="replace")
    judge.exact(built(implementation, tables).decode([len(tables.vocabulary) - 1]), text, "text")


@pytest.mark.parametrize("what", UTF_8)
def test_decodes_bytes_as_utf8_says(implementation, what: str):
    """Pit: a byte order mark and NUL are text like any other; what UTF-8 forbids, surrogates too, is U+FFFD."""
    (content, text), tables = UTF_8[what], Tables()
    ids = [tables.vocabulary[LETTERS[byte]] for byte in content]
    judge.exact(built(implementation, tables).decode(ids), text, "text")


def test_ids_may_come_once(implementation):
    """Any iterable of ids decodes, an iterator too."""
    tables = Tables((("a", "b"),))
    ids = tables.ids("ab", "a", "b")
    judge.exact(built(implementation, tables).decode(iter(ids)), "abab", "text")


# What holds whatever the merges


@given(problem=problems())
def test_decoding_undoes_encoding(implementation, problem: Problem):
    """Every text comes back, character by character."""
    tokenizer = built(implementation, problem.tables)
    judge.exact(tokenizer.decode(tokenizer.encode(problem.text)), problem.text, "text")


@given(problem=problems())
def test_tokens_spell_the_text(implementation, problem: Problem):
    """The bytes of the tokens, one after the other, are the UTF-8 of the text: nothing is added, lost or unified."""
    token = {id: token for token, id in problem.tables.vocabulary.items()}
    ids = built(implementation, problem.tables).encode(problem.text)
    judge.exact("".join(token[id] for id in ids), in_letters(problem.text), "byte letters")


@given(tables=drawn(("ab", "abc")), word=st.text("ab", min_size=12, max_size=40))
def test_no_merge_is_left_undone(implementation, tables: Tables, word: str):
    """Within a word no two neighbours of the result are a pair of the list."""
    token = {id: token for token, id in tables.vocabulary.items()}
    found = [token[id] for id in built(implementation, tables).encode(word)]
    judge.exact([pair for pair in pairwise(found) if pair in tables.merges], [], "merges left")


@given(problem=problems(), order=st.integers(0, 999))
def test_ids_are_only_names(implementation, problem: Problem, order: int):
    """Other ids for the same tokens give the same tokens: ids have no part in what merges first."""
    tables = problem.tables
    renamed = Tables(tables.merges, tables.unmerged, order)
    new = {id: renamed.vocabulary[token] for token, id in tables.vocabulary.items()}
    before = built(implementation, tables).encode(problem.text)
    judge.exact(built(implementation, renamed).encode(problem.text), [new[id] for id in before], "ids")


@given(tables=learnt() | drawn(), left=texts(), right=texts())
def test_texts_join_where_a_space_begins_a_word(implementation, tables: Tables | Learnt, left: str, right: str):
    """After a full stop a text that begins with a space and a letter can be encoded on its own."""
    tokenizer, left, right = built(implementation, tables), f"{left}.", f" a{right}"
    judge.exact(tokenizer.encode(left + right), tokenizer.encode(left) + tokenizer.encode(right), "ids")


@given(problem=problems(), other=problems())
def test_a_tokenizer_has_no_memory(implementation, problem: Problem, other: Problem):
    """Two tokenizers, used in turn on the same texts, know nothing of each other nor of the texts before."""
    pairs = [(built(implementation, tables), reference(tables)) for tables in (problem.tables, other.tables)]
    for text in (problem.text, other.text, problem.text):
        for tokenizer, truth in pairs:
            judge.exact(tokenizer.encode(text), truth.encode(text), "ids")


@given(problem=problems())
def test_tables_are_left_alone(implementation, problem: Problem):
    """Vocabulary and merges stay the caller's."""
    vocabulary, merges = dict(problem.tables.vocabulary), list(problem.tables.merges)
    implementation(vocabulary, merges).encode(problem.text)
    judge.exact((vocabulary, merges), (problem.tables.vocabulary, list(problem.tables.merges)), "tables")


def test_nothing_is_nothing(implementation):
    """The empty text has no ids, and no ids are the empty text."""
    tokenizer = built(implementation, Tables())
    judge.exact(tokenizer.encode(""), [], "ids")
    judge.exact(tokenizer.decode([]), "", "text")


@cache
def many_merges() -> Tables:
    """All pairs of letters but two, then a few triples, then the two: more than 16 bits can count."""
    late = [("b", "c"), ("x", "y")]
    pairs = [(x, y) for x, y in product(sorted(BYTES), repeat=2) if (x, y) not in late]
    return Tables((*pairs, *(("ab", letter) for letter in "!#$%&*+,-/"), *late))


@pytest.mark.parametrize(("text", "tokens"), [("abc", ["ab", "c"]), ("xyz", ["x", "yz"]), ("bc", ["bc"])])
def test_ranks_beyond_16_bits(implementation, text: str, tokens: list[str]):
    """Pit: of 65,545 merges the last ones are the last to be done, and they are done."""
    tables = many_merges()
    judge.exact(built(implementation, tables).encode(text), tables.ids(*tokens), "ids")


def test_ids_beyond_20_bits(implementation):
    """Ids are numbers of any size, with any gaps: they are those of the vocabulary, and stand for its tokens."""
    tables = Tables((("a", "b"), ("\u0120", "ab")))
    wide = {token: (1 << 21) + 1025 * id for token, id in tables.vocabulary.items()}
    tokenizer = implementation(dict(wide), list(tables.merges))
    ids = [wide[token] for token in ("ab", "\u0120ab", "c")]
    judge.exact(tokenizer.encode("ab abc"), ids, "ids")
    judge.exact(tokenizer.decode(ids), "ab abc", "text")


def test_agrees_at_length(implementation):
    """A word of 110,001 letters with merges where blocks might end, then 100,001 words: nothing is cut off or in two."""
    tables = Tables((("a", "b"),))
    places = {10_000, 16_384, 32_768, 50_000, 65_536, 100_000}
    word = "".join("b" if place in places else "a" for place in range(110_001))
    expected = [tables.vocabulary[token] for token in [*re.findall("ab|a", word), *["\u0120", "a"] * 100_001]]
    judge.exact(built(implementation, tables).encode(word + " a" * 100_001), expected, "ids")
