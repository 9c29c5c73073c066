"""Laws of byte-level byte-pair encoding."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import judge
from fixtures.corpora.python_docs import topics
from fixtures.strategies.texts import SPACES, excerpts, fragments, long_words, texts
from fixtures.strategies.vocabularies import Learnt, Merge, Problem, Tables, drawn, in_letters, learnt, problems, replay
from reference.tokenizers.byte_level_bpe import BYTES, ByteLevelBPE


def built(implementation: Any, tables: Tables | Learnt) -> Any:
    return implementation(dict(tables.vocabulary), list(tables.merges))


def reference(tables: Tables | Learnt) -> ByteLevelBPE:
    return ByteLevelBPE(tables.vocabulary, tables.merges)


# Pits: quick, and named after the trap


def glueing(words: list[str]) -> Tables:
    """Merges that make a token of each word, and would glue neighbours together if the text were not cut there."""
    tokens = [in_letters(word) for word in words]
    merges: list[Merge] = []
    for parts in [*map(list, tokens), *map(list, pairwise(tokens)), tokens]:
        whole = parts[0]
        for part in parts[1:]:
            if replay(merges, whole + part) == [whole, part]:
                merges.append((whole, part))
            whole += part
    return Tables(tuple(merges))


CUTS = [
    ["it", "'s"],
    ["they", "'ll", "'ve"],
    ["IT", "'", "S"],
    ["We", "'", "Re"],
    ["it", "\u2019", "s"],
    ["'s", "alt"],
    ["'ll", "ama"],
    [" '", "s"],
    ["a", "'", "b"],
    ["a", " ", " b"],
    ["a", "   "],
    ["a", " ", "\n", "b"],
    ["a", "\n", " b"],
    ["a", "\r", "\n", "b"],
    ["a", "\u00a0", "b"],
    ["a", " ", "\u3000", "b"],
    ["a", " \u200b", "b"],
    ["a", " \x1c!"],
    ["\ufeff", "a"],
    ["x", "2", "y"],
    ["3", ".", "14"],
    ["\u00b2\u00bd\u0663\u2167\uff12", "a"],
    ["Stra\u00dfe\u05e9\u65e5\uac00\u01c5\u02b0\u00aa", "1"],
    ["e", "\u0301", "a"],
    ["a", "_", "b"],
    ["a", "...!?", " --", " b"],
    ["1", " !", " a"],
]


@pytest.mark.parametrize("words", CUTS, ids=[ascii("|".join(words)) for words in CUTS])
def test_cuts_words_as_gpt2_does(implementation, words: list[str]):
    """The text is cut exactly here, whatever merges there are. Source: GPT-2's regular expression."""
    tables = glueing(words)
    judge.exact(built(implementation, tables).encode("".join(words)), tables.ids(*words), "ids")


@given(space=st.sampled_from(SPACES), other=st.sampled_from(SPACES), n=st.integers(0, 3))
def test_cuts_around_every_space(implementation, space: str, other: str, n: int):
    """Runs of any characters that are spaces, or look like them, are cut as the reference cuts them."""
    tables = glueing(["a", space, space, other, "b", " ", "1", "!", other])
    text = f"a{space * n}{other}b {space}1{other}{space}!{other}"
    judge.exact(built(implementation, tables).encode(text), reference(tables).encode(text), "ids")


def test_a_prompt_that_ends_in_a_space(implementation):
    """The last space of a prompt is a token of its own, while before a word it would be the word's."""
    tables = Tables((("a", "b"), ("Ġ", "ab")))
    tokenizer = built(implementation, tables)
    judge.exact(tokenizer.encode("ab ab"), tables.ids("ab", " ab"), "ids")
    judge.exact(tokenizer.encode("ab "), tables.ids("ab", " "), "ids")


@pytest.mark.parametrize(
    ("merges", "tokens"),
    [
        ([("a", "b"), ("b", "c"), ("bc", "d")], ["ab", "c", "d"]),
        ([("b", "c"), ("a", "b"), ("c", "d")], ["a", "bc", "d"]),
        ([("a", "b"), ("c", "d"), ("ab", "c")], ["ab", "cd"]),
    ],
    ids=["not the longest token", "not the first from the left", "not the longest merge"],
)
def test_the_lowest_rank_is_first(implementation, merges: list[Merge], tokens: list[str]):
    """Of the pairs in `abcd` the one earliest in the list merges first. Source: Sennrich et al. 2016."""
    tables = Tables(tuple(merges))
    judge.exact(built(implementation, tables).encode("abcd"), tables.ids(*tokens), "ids")


@pytest.mark.parametrize("order", range(4))
def test_ids_are_no_ranks(implementation, order: int):
    """The place in the list decides, whatever the ids of the tokens. Source: in tiktoken's files ids are ranks."""
    tables = Tables((("b", "c"), ("a", "b"), ("c", "d")), order=order)
    judge.exact(built(implementation, tables).encode("abcd"), tables.ids("a", "bc", "d"), "ids")


def test_a_token_named_before_its_merge(implementation):
    """After each merge the lowest rank counts anew, so a list may name a token before the merge that makes it."""
    tables = Tables((("ab", "c"), ("a", "b")))
    judge.exact(built(implementation, tables).encode("abc"), tables.ids("abc"), "ids")


def test_only_listed_pairs_merge(implementation):
    """`a`, `bc` stay apart though `abc` is a token, which only (ab, c) makes."""
    tables = Tables((("b", "c"), ("a", "b"), ("ab", "c")))
    judge.exact(built(implementation, tables).encode("abc"), tables.ids("a", "bc"), "ids")


def test_tokens_without_a_merge_are_never_made(implementation):
    """A word that is a token is not one if no merge makes it (Llama 3's `ignore_merges` would take it whole)."""
    tables = Tables((("a", "b"),), unmerged=("abc", "Ġx"))
    judge.exact(built(implementation, tables).encode("abc x"), tables.ids("ab", "c", " ", "x"), "ids")


@pytest.mark.parametrize("n", [*range(1, 10), 300, 1025])
def test_overlaps_merge_from_the_left(implementation, n: int):
    """`aaa` is `aa`, `a`."""
    tables = Tables((("a", "a"), ("aa", "aa")))
    expected = ["aaaa"] * (n // 4) + ["aa"] * (n % 4 // 2) + ["a"] * (n % 2)
    judge.exact(built(implementation, tables).encode("a" * n), tables.ids(*expected), "ids")


def test_a_character_may_be_several_tokens(implementation):
    """Bytes are joined before they are read as UTF-8: decoding token by token gives U+FFFD for each."""
    tokenizer = built(implementation, Tables())
    ids = tokenizer.encode("\U0001f600")
    judge.exact(len(ids), 4, "number of ids")
    judge.exact(tokenizer.decode(ids), "\U0001f600", "text")
    judge.exact(tokenizer.decode(ids[:3]), "\ufffd", "text")


def test_spaces_before_punctuation_stay(implementation):
    """Decoding adds and removes nothing. Source: `clean_up_tokenization_spaces` of transformers did both."""
    tokenizer, text = built(implementation, Tables()), " a , b . it 's do n't ! ? "
    judge.exact(tokenizer.decode(tokenizer.encode(text)), text, "text")


@given(parts=st.lists(fragments() | st.just("<|endoftext|>"), max_size=4), own=st.booleans())
def test_special_text_is_ordinary_text(implementation, parts: list[str], own: bool):
    """Who writes `<|endoftext|>` into a text does not end it, even if the vocabulary has that token."""
    tables = Tables((("<", "|"),), unmerged=("<|endoftext|>",) if own else ())
    text = "".join([*parts, "<|endoftext|>"])
    judge.exact(built(implementation, tables).encode(text), reference(tables).encode(text), "ids")


# Bad input


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\udc4d"], ids=ascii)
def test_lone_surrogates_are_rejected(implementation, text: str):
    """What UTF-8 cannot hold is not text: it raises."""
    judge.rejects(built(implementation, Tables()).encode, text)


@pytest.mark.parametrize("text", [None, 3, b"abc"], ids=ascii)
def test_only_text_is_encoded(implementation, text: Any):
    """What is not a str raises."""
    judge.rejects(built(implementation, Tables()).encode, text)


def test_unknown_ids_are_rejected(implementation):
    """An id that no token has raises; left out, it would hide that model and tokenizer do not fit."""
    judge.rejects(built(implementation, Tables()).decode, [0, 256])


def test_negative_ids_are_rejected(implementation):
    """-1 is no id, and not the last one either."""
    judge.rejects(built(implementation, Tables()).decode, [0, -1])


def test_an_incomplete_alphabet_is_rejected(implementation):
    """Without one of the byte letters a text that needs it raises, at the latest when it is encoded."""
    vocabulary = {token: id for token, id in Tables().vocabulary.items() if token != "z"}
    judge.rejects(lambda: implementation(vocabulary, []).encode("xyz"))


@pytest.mark.parametrize("pair", [("q", "u"), ("ab", "x")], ids=["result", "part"])
def test_merges_outside_the_vocabulary_are_rejected(implementation, pair: Merge):
    """A merge whose result or part is no token raises, at the latest when it applies."""
    tables = Tables((("x", "y"),), unmerged=("abx",))
    judge.rejects(lambda: implementation(tables.vocabulary, [("x", "y"), pair]).encode("qu abx"))


CONTRADICTIONS: dict[str, tuple[dict[str, int], list[Merge]]] = {
    "one id for two tokens": ({"ab": 256, "ac": 256}, [("a", "b")]),
    "a pair listed twice": ({"ab": 256, "ac": 257}, [("a", "b"), ("a", "c"), ("a", "b")]),
    "a token of another alphabet": ({"ab": 256, "\u65e5": 257}, [("a", "b")]),
    "a token of nothing": ({"ab": 256, "": 257}, [("a", "b")]),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_tables_that_contradict_themselves_are_rejected(implementation, what: str):
    """Two tokens of one id, a pair of two ranks, and tokens that stand for no bytes raise, at the latest when used."""
    tokens, merges = CONTRADICTIONS[what]

    def used() -> None:
        tokenizer = implementation(Tables().vocabulary | tokens, merges)
        tokenizer.encode("abac")
        tokenizer.decode(tokens.values())

    judge.rejects(used)


@pytest.mark.parametrize("entry", [("ac", "256"), ("ac", 1.5), (7, 256)], ids=ascii)
def test_tokens_are_texts_and_ids_are_integers(implementation, entry: tuple[Any, Any]):
    """A vocabulary with anything else raises, at the latest when it is used."""
    tables = Tables((("a", "b"),))
    judge.rejects(lambda: implementation({**tables.vocabulary, entry[0]: entry[1]}, list(tables.merges)).encode("ab"))


# Files


def written(folder: str, tables: Tables, whole: bool) -> str:
    """The tables as `tokenizer.json`, or as `vocab.json` and `merges.txt`."""
    if whole:
        options = {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        content: dict[str, Any] = {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", **options},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", **options},
            "model": {"type": "BPE", "vocab": tables.vocabulary, "merges": [" ".join(pair) for pair in tables.merges]},
        }
        Path(folder, "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    else:
        lines = ["#version: 0.2", *map(" ".join, tables.merges)]
        Path(folder, "vocab.json").write_text(json.dumps(tables.vocabulary), encoding="utf-8")
        Path(folder, "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("whole", [True, False], ids=["tokenizer.json", "vocab.json and merges.txt"])
def test_reads_its_files(implementation, whole: bool):
    """A tokenizer read from the files of its tables is the same; in them `# #` is a merge and no comment."""
    tables = Tables((("#", "#"), ("Ġ", "##"), ("Ã", "©"), ("a", "Ã©")), order=1)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = implementation.from_file(written(folder, tables, whole))
    judge.exact(tokenizer.encode("## ##aé"), tables.ids("##", " ##", "aé"), "ids")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[]"),
        ("tokenizer.json", '{"version": "1.0"}'),
        ("tokenizer.json", '{"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}}}'),
        ("vocab.json", '{"a": 0}'),
    ],
    ids=["not JSON", "not an object", "no model", "no merges", "no merges.txt"],
)
def test_broken_files_are_rejected(implementation, name: str, content: str):
    """A file that is damaged or incomplete raises."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_text(content, encoding="utf-8")
        judge.rejects(implementation.from_file, folder)


def test_a_folder_without_files_is_rejected(implementation):
    """A folder without a tokenizer raises, instead of giving an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        judge.rejects(implementation.from_file, folder)


# Training


def tables_of(tokenizer: Any) -> tuple[list[Merge], dict[str, int]]:
    return [tuple(pair) for pair in tokenizer.merges], dict(tokenizer.vocabulary)


@given(corpus=st.lists(texts(), max_size=5), size=st.integers(256, 300))
def test_learns_the_same_merges(implementation, corpus: list[str], size: int):
    """Merges and ids learnt from a corpus are the reference's."""
    judge.exact(tables_of(implementation.train(corpus, size)), tables_of(ByteLevelBPE.train(corpus, size)), "tables")


@given(corpus=st.lists(st.text("ab c\u00e9", max_size=30), max_size=5), size=st.integers(256, 300))
def test_learns_the_same_merges_in_ties(implementation, corpus: list[str], size: int):
    """Of equally frequent pairs the smallest left id wins, then the smallest right; `aaa` has two pairs."""
    judge.exact(tables_of(implementation.train(corpus, size)), tables_of(ByteLevelBPE.train(corpus, size)), "tables")


def test_learns_the_same_from_real_english(implementation):
    """Pages of the Python documentation teach the reference's merges."""
    corpus = list(topics().values())[::4]
    judge.exact(tables_of(implementation.train(corpus, 400)), tables_of(ByteLevelBPE.train(corpus, 400)), "tables")


@given(word=long_words(257, 400), size=st.integers(260, 290))
def test_learns_the_same_from_long_words(implementation, word: str, size: int):
    """No word is too long to learn from."""
    judge.exact(tables_of(implementation.train([word], size)), tables_of(ByteLevelBPE.train([word], size)), "tables")


@given(corpus=st.lists(excerpts(), min_size=1, max_size=5), size=st.integers(256, 280), more=st.integers(1, 20))
def test_a_smaller_vocabulary_is_a_beginning(implementation, corpus: list[str], size: int, more: int):
    """Training longer adds merges after those of a shorter training."""
    short, long = (list(implementation.train(corpus, n).merges) for n in (size, size + more))
    judge.exact(long[: len(short)], short, "merges")


@given(corpus=st.lists(texts(), min_size=2, max_size=5), data=st.data())
def test_the_order_of_texts_teaches_nothing(implementation, corpus: list[str], data):
    """A corpus is counted, so its texts may come in any order."""
    other = data.draw(st.permutations(corpus), label="permuted")
    judge.exact(tables_of(implementation.train(other, 290)), tables_of(implementation.train(corpus, 290)), "tables")


def test_training_ends_when_no_pair_is_left(implementation):
    """A corpus of one word teaches no more than that word."""
    merges = [("a", "b"), ("ab", "c")]
    judge.exact([tuple(pair) for pair in implementation.train(["abc"], 1000).merges], merges, "merges")


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
