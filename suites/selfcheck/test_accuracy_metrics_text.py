"""Metrics of texts, held to rouge-score, sacrebleu, a copy of SQuAD's script, and what they are defined to be."""

from __future__ import annotations

import importlib.util
import re
import string
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from suites.accuracy.lazy import Lazy
from suites.selfcheck.accuracy_laws import Subject, refuses, same

sacrebleu: Any = Lazy("sacrebleu")
rouge_scorer: Any = Lazy("rouge_score.rouge_scorer")
squad: Any = Lazy("suites.accuracy.metrics.squad")
rouge: Any = Lazy("suites.accuracy.metrics.rouge_l")
bleus: Any = Lazy("suites.accuracy.metrics.bleu")
chrfs: Any = Lazy("suites.accuracy.metrics.chrf")

words = st.sampled_from(["the", "The.", "an", "a", "Cat", "cat", "CAT!", "sat-on", "straße", "Ω", "«x»", "7", "\t", ""])
texts = st.lists(words, max_size=6).map(" ".join)
references = st.lists(texts, min_size=1, max_size=3)
corpora = st.lists(st.tuples(texts, references), min_size=1, max_size=4)

EXACT = Subject(lambda *a: squad.exact_match(*a))
F1 = Subject(lambda *a: squad.token_f1(*a))
ROUGE = Subject(lambda *a: rouge.rouge_l(*a))
BLEU = Subject(lambda *a: bleus.bleu(*a))
CHRF = Subject(lambda *a: chrfs.chrf(*a))


@pytest.mark.parametrize("subject", [EXACT, F1, ROUGE, BLEU, CHRF], ids=["exact", "f1", "rouge", "bleu", "chrf"])
def test_laws_hold_and_wrong_versions_break_them(subject):
    subject.hold()
    subject.rejected()


@cache
def french_squad() -> Any:
    """lm-eval's copy of SQuAD 2.0's script, by path: its package takes seconds to import. Its articles are French."""
    package = importlib.util.find_spec("lm_eval")
    assert package is not None and package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "tasks" / "french_bench" / "utils.py"
    spec = importlib.util.spec_from_file_location("french_bench_utils", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_articles(text):
    return " ".join(word for word in text.split() if not re.fullmatch("(the|an?)[.]?", word, re.IGNORECASE))


plain = texts.map(without_articles)
changes = st.sampled_from([str.upper, str.title, "({}).".format, " {}\n".format, "{} 7".format, str])


@EXACT.law(gold=plain, change=changes)
def exact_match_is_squads_where_no_article_is(exact_match, gold, change):
    assert exact_match(change(gold), [gold]) == french_squad().exact([change(gold)], [gold])


@F1.law(prediction=plain, gold=plain, change=changes)
def token_f1_is_squads_where_no_article_is(token_f1, prediction, gold, change):
    for said in (prediction, change(gold)):
        assert same(token_f1(said, [gold]), french_squad().f1([said], [gold]))


SAID = [
    # prediction, gold answers, exact match, token F1
    ("The cat.", ["cat"], 1, 1),
    ("a an the", [""], 1, 1),
    ("", [], 1, 1),
    ("the", [], 1, 1),
    ("cat", [], 0, 0),
    ("", ["cat"], 0, 0),
    ("", ["cat", "."], 0, 0),  # of "." nothing is left, so it is only an answer where there is no other
    ("", [".", "the"], 1, 1),
    ("big cat", ["dog", "cat", "big red cat"], 0, 4 / 5),
    ("cat cat cat", ["cat cat dog"], 0, 2 / 3),
    ("theatre", ["atre"], 0, 0),
    ("sat-on", ["saton"], 1, 1),
    ("«cat»", ["cat"], 0, 0),  # only ASCII punctuation goes
    ("STRASSE", ["straße"], 0, 0),  # lower case, not case folding
    ("cat\u00a0\n sat", ["cat sat"], 1, 1),
    ("the.", [""], 1, 1),
    ("a.n cat", ["cat"], 1, 1),  # punctuation goes before articles
]


@EXACT.law()
def exact_match_by_hand(exact_match):
    assert [exact_match(prediction, golds) for prediction, golds, _, _ in SAID] == [row[2] for row in SAID]


@F1.law()
def token_f1_by_hand(token_f1):
    assert all(same(token_f1(prediction, golds), value) for prediction, golds, _, value in SAID)


def text_for_a_list_is_refused(score):
    assert refuses(score, "cat", "cat")


for _subject in (EXACT, F1, ROUGE, CHRF):
    _subject.law()(text_for_a_list_is_refused)


def other_answer(prediction, golds, *, normal=None, none=("",), choose=max, exact=False, empty=True, count=Counter):
    normal = normal or (lambda text: squad.normalised(text))
    values = []
    for gold in golds or none:
        one, other = normal(prediction).split(), normal(gold).split()
        common = sum((count(one) & count(other)).values()) if count is Counter else len(set(one) & set(other))
        f1 = 2 * common / (len(one) + len(other)) if one or other else float(empty)
        values.append(float(one == other) if exact else f1)
    return choose(values)


for _exact, _subject in ((True, EXACT), (False, F1)):

    @_subject.control
    def case_matters(prediction, golds, exact=_exact):
        strip = str.maketrans("", "", string.punctuation)
        return other_answer(
            prediction, golds, exact=exact, normal=lambda t: re.sub(r"\b([Tt]he|[Aa]n?)\b", " ", t.translate(strip))
        )

    @_subject.control
    def articles_within_words(prediction, golds, exact=_exact):
        return other_answer(prediction, golds, exact=exact, normal=lambda t: squad.normalised(t).replace("the", ""))

    @_subject.control
    def articles_before_punctuation(prediction, golds, exact=_exact):
        strip = str.maketrans("", "", string.punctuation)
        return other_answer(
            prediction, golds, exact=exact, normal=lambda t: re.sub(r"\b(the|an?)\b", " ", t.lower()).translate(strip)
        )

    @_subject.control
    def first_gold_only(prediction, golds, exact=_exact):
        return other_answer(prediction, golds, exact=exact, choose=lambda values: values[0])

    @_subject.control
    def no_gold_is_never_right(prediction, golds, exact=_exact):
        return other_answer(prediction, golds, exact=exact) if golds else 0.0

    @_subject.control
    def every_empty_gold_is_an_answer(prediction, golds, exact=_exact):
        return other_answer(prediction, golds, exact=exact)


@F1.control
def two_empty_answers_have_nothing_in_common(prediction, golds):
    return other_answer(prediction, golds, empty=False)


@F1.control
def words_count_once(prediction, golds):
    return other_answer(prediction, golds, count=set)


@ROUGE.law({"prediction": "a b c d", "others": ["a c b d", "d"]}, prediction=texts, others=references)
def rouge_l_is_rouge_scores(rouge_l, prediction, others):
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    assert same(rouge_l(prediction, others), scorer.score_multi(others, prediction)["rougeL"].fmeasure)


@ROUGE.law({"prediction": "cats CAT", "others": ["cat"]}, prediction=texts, others=references)
def rouge_l_is_the_longest_common_subsequence(rouge_l, prediction, others):
    def longest(one, other):
        if not (one and other):
            return 0
        if one[0] == other[0]:
            return 1 + longest(one[1:], other[1:])
        return max(longest(one[1:], other), longest(one, other[1:]))

    predicted, *wanted = (re.sub("[^a-z0-9]", " ", text.lower()).split() for text in (prediction, *others))
    values = [2 * longest(predicted, w) / (len(predicted) + len(w)) if predicted and w else 0.0 for w in wanted]
    assert same(rouge_l(prediction, others), max(values))


def test_rouge_score_has_no_words_in_other_alphabets():
    """Greek equals itself and is worth 0; "straße" is the two words "stra" and "e". We follow it, and say so."""
    scorer = rouge_scorer.RougeScorer(["rougeL"])
    assert scorer.score("Ω μέγα", "Ω μέγα")["rougeL"].fmeasure == rouge.rouge_l("Ω μέγα", ["Ω μέγα"]) == 0.0
    assert scorer.score("straße", "stra e")["rougeL"].fmeasure == rouge.rouge_l("stra e", ["straße"]) == 1.0


def other_rouge(
    prediction, others, *, split=lambda text: re.findall("[a-z0-9]+", text.lower()), length=None, choose=max
):
    length = length or (lambda a, b: rouge.common(a, b))
    pairs = [(split(prediction), split(other)) for other in others]
    return choose([2 * length(a, b) / (len(a) + len(b)) if a and b else 0.0 for a, b in pairs])


@ROUGE.control
def words_in_any_order(prediction, others):
    return other_rouge(prediction, others, length=lambda a, b: (Counter(a) & Counter(b)).total())


@ROUGE.control
def longest_common_run(prediction, others):
    def run(a, b):
        spans = {tuple(a[i:j]) for i in range(len(a)) for j in range(i, len(a) + 1)}
        return max(len(span) for span in spans if any(tuple(b[i : i + len(span)]) == span for i in range(len(b))))

    return other_rouge(prediction, others, length=run)


@ROUGE.control
def words_by_blanks(prediction, others):
    return other_rouge(prediction, others, split=lambda text: text.lower().split())


@ROUGE.control
def stemmed(prediction, others):
    return other_rouge(prediction, others, split=lambda text: [w.rstrip("s") for w in rouge.words(text)])


@ROUGE.control
def worst_reference(prediction, others):
    return other_rouge(prediction, others, choose=min)


@ROUGE.control
def recall_alone(prediction, others):
    predicted = rouge.words(prediction)
    return max(rouge.common(predicted, w) / max(1, len(w)) for w in map(rouge.words, others))


@BLEU.law({"pairs": [("the cat sat on a mat", ["the cat sat on the mat", "a cat sat on a mat"])]}, pairs=corpora)
def bleu_is_sacrebleus(bleu, pairs):
    predictions, others = map(list, zip(*pairs, strict=True))
    if len({len(of) for of in others}) == 1:
        expected = sacrebleu.corpus_bleu(predictions, list(map(list, zip(*others, strict=True)))).score
        assert same(bleu(predictions, others), min(100.0, expected))


@BLEU.law()
def prediction_may_have_more_references_than_another(bleu):
    longer, shorter = "a b c d e", "v w x y z"
    assert bleu([longer, shorter], [[longer], ["q", shorter]]) == 100.0
    assert refuses(bleu, ["a"], [[]]) and refuses(bleu, ["a"], ["a"]) and refuses(bleu, [], [])
    assert refuses(bleu, "a", [["a"]]) and refuses(bleu, ["a", "b"], [["a"]])


@BLEU.control
def references_by_stream(predictions, others):
    return sacrebleu.corpus_bleu(predictions, [list(of) for of in others]).score if predictions else 0.0


@BLEU.control
def mean_of_sentences(predictions, others):
    scores = [sacrebleu.sentence_bleu(p, list(of)).score for p, of in zip(predictions, others, strict=True)]
    return sum(scores) / max(1, len(scores))


def test_three_words_that_are_right_have_corpus_bleu_0():
    """Pitfall: no 4-gram in the whole corpus. One sentence that is long enough, and both are worth 100."""
    three, five = "the cat sat", "the cat sat down here"
    assert bleus.bleu([three], [[three]]) == 0.0 and bleus.sentence_bleu(three, [three]) == 100.0
    assert bleus.bleu([three, five], [[three], [five]]) == 100.0
    assert bleus.sentence_bleu("", [three]) == bleus.sentence_bleu("", [""]) == bleus.bleu([""], [[""]]) == 0.0


def test_a_corpus_is_not_the_mean_of_its_sentences():
    right, wrong = "one two three four five six seven eight", "nine"
    assert bleus.bleu([right, wrong], [[right], ["ten"]]) > 85
    assert (bleus.sentence_bleu(right, [right]) + bleus.sentence_bleu(wrong, ["ten"])) / 2 == 50
    assert sacrebleu.corpus_chrf(["a", right], [["b", right]]).score > 90
    assert (chrfs.chrf("a", ["b"]) + chrfs.chrf(right, [right])) / 2 == 50


@CHRF.law({"prediction": "cat", "others": ["bat", "cats"]}, prediction=texts, others=references)
def chrf_is_sacrebleus(chrf, prediction, others):
    assert same(chrf(prediction, others), sacrebleu.sentence_chrf(prediction, others).score)


@CHRF.law({"prediction": "ab", "other": "abab"}, prediction=texts, other=texts)
def chrf_is_an_f2_of_character_ngrams(chrf, prediction, other):
    shares = []
    for n in range(1, 7):
        one, two = (
            Counter(text[i : i + n] for i in range(len(text) - n + 1))
            for text in ("".join(prediction.split()), "".join(other.split()))
        )
        if one and two:
            common = (one & two).total()
            shares.append((common / one.total(), common / two.total()))
    precision, recall = (sum(side) / len(shares) for side in zip(*shares, strict=True)) if shares else (0, 0)
    expected = 100 * 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0
    assert same(chrf(prediction, [other]), expected)


@CHRF.control
def with_words(prediction, others):
    return sacrebleu.sentence_chrf(prediction, others, word_order=2).score


@CHRF.control
def with_blanks(prediction, others):
    return sacrebleu.sentence_chrf(prediction, others, remove_whitespace=False).score


@CHRF.control
def precision_counts_as_much(prediction, others):
    return sacrebleu.sentence_chrf(prediction, others, beta=1).score
