"""Models of the board without transformers, and masked ones: each held to its definition."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from suites.accuracy import board, harness, learning
from suites.accuracy.lazy import Lazy

torch: Any = Lazy("torch")
tokenizers: Any = Lazy("tokenizers")
transformers: Any = Lazy("transformers")
base: Any = Lazy("suites.accuracy.models.base")
bm25: Any = Lazy("suites.accuracy.models.bm25")
classifiers: Any = Lazy("suites.accuracy.models.classifiers")
masked: Any = Lazy("suites.accuracy.models.masked")
ngrams: Any = Lazy("suites.accuracy.models.ngrams")
readers: Any = Lazy("suites.accuracy.models.readers")
taggers: Any = Lazy("suites.accuracy.models.taggers")
kinds: Any = Lazy("suites.accuracy.tasks.kinds")
pin: Any = Lazy("suites.accuracy.tasks.pin")


def test_every_task_has_a_file_and_the_documents_that_its_version_means():
    files = {path.stem: path for path in harness.TASKS.glob("*.yaml")}
    assert set(files) == {task for task in board.TASKS if task not in harness.BROUGHT}
    for path in files.values():
        assert pin.pinned(path) == path.read_text(encoding="utf-8"), f"{path.name}: python -m suites.accuracy.tasks.pin"


def test_changed_documents_are_refused():
    with pytest.raises(ValueError, match="changed data needs a new version"):
        kinds.dataset([{"text": "a"}], "0" * 64)


def test_a_model_that_cannot_choose_is_wrong():
    doc = {"choices": ["a", "b"], "label": 0}
    assert kinds.classification(doc, [(-1.0, False), (-1.0, False)]) == {"accuracy": 0.0, "macro_f1": (0, -1)}
    assert kinds.classification(doc, [(-1.0, False), (-2.0, False)]) == {"accuracy": 1.0, "macro_f1": (0, 0)}
    for scores in ([math.nan, 0.0], [-math.inf, -math.inf], [math.inf, 0.0]):
        with pytest.raises(ValueError, match="no likelihoods"):
            kinds.cloze(doc, [(score, False) for score in scores])


@pytest.mark.parametrize(
    ("answer", "right"), [("A B", 2), ("A C", 1), ("A", 1), ("", 0), ("A B C", 1), ("A B C D", 0), ("B A", 0)]
)
def test_tags_too_few_or_too_many_are_wrong(answer, right):
    assert kinds.tags({"tags": ["A", "B"]}, [answer]) == {"tag_accuracy": (right, 2)}


def asked(text: str, choices: list[str]) -> list[Any]:
    doc = {"text": text, "choices": choices}
    return [SimpleNamespace(doc=doc, idx=index, args=("", choice)) for index, choice in enumerate(choices)]


EXAMPLES = (("a good thing", "pos"), ("good good", "pos"), ("quite bad", "neg"))


def test_naive_bayes_is_its_definition():
    """log p(class) + sum of log (count + 1) / (words + vocabulary)."""
    model = classifiers.naive_bayes(EXAMPLES)
    (negative, _), (positive, _) = model.loglikelihood(asked("good bad", ["neg", "pos"]))
    vocabulary = 4  # good thing quite bad: a word of one letter is none
    pos = math.log(2 / 3) + math.log((3 + 1) / (4 + vocabulary)) + math.log((0 + 1) / (4 + vocabulary))
    neg = math.log(1 / 3) + math.log((0 + 1) / (2 + vocabulary)) + math.log((1 + 1) / (2 + vocabulary))
    assert positive - negative == pytest.approx(pos - neg)


def test_classifiers_answer_in_the_order_of_the_choices():
    for model in (classifiers.naive_bayes(EXAMPLES), classifiers.linear_svm(EXAMPLES), classifiers.Majority(EXAMPLES)):
        one = model.loglikelihood(asked("good", ["neg", "pos"]))
        other = model.loglikelihood(asked("good", ["pos", "neg"]))
        assert one == other[::-1] and one[1][0] > one[0][0]


def test_a_class_that_training_has_not_is_named():
    with pytest.raises(base.NotEvaluated, match="'odd' does not stand in the training texts"):
        classifiers.Majority(EXAMPLES).loglikelihood(asked("x", ["odd"]))


def test_rules_take_the_first_that_is_found():
    model = classifiers.Rules((("not good", "neg"), ("good", "pos")), "neg")
    assert model.scores(["it is not good", "good", "?"]).argmax(1).tolist() == [0, 1, 0]


def test_bm25_is_its_definition():
    passages = ["red kettle of steel", "blue lamp", "the red red lamp"]
    found = bm25.Index(passages).scores("red lamp lamp")

    def weight(term: str, passage: str) -> float:
        words = [p.split() for p in passages]
        df, tf = sum(term in w for w in words), passage.split().count(term)
        norm = 1.2 * (0.25 + 0.75 * len(passage.split()) / float(np.mean([len(w) for w in words])))
        return math.log(1 + (3 - df + 0.5) / (df + 0.5)) * tf / (tf + norm)

    expected = [weight("red", p) + 2 * weight("lamp", p) for p in passages]
    np.testing.assert_allclose(found, expected)
    assert not bm25.Index(passages).scores("nothing else").any()


def bytes_tokenizer() -> Any:
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


def test_kneser_ney_is_a_distribution_after_every_context():
    model = ngrams.KneserNey(bytes_tokenizer(), ["abracadabra", "abba", "cab"], order=3)
    a, b, z = (bytes_tokenizer().encode(c).ids[0] for c in "abz")
    for context in ((), (a,), (b, a), (z, z), (a, b, a)):
        assert sum(model.probability(token, context) for token in range(256)) == pytest.approx(1)
    assert model.probability(a, (b, b)) > 0.5 > model.probability(z, (b, b)) > 0


def test_kneser_ney_of_two_is_its_definition():
    """max(c(ab) - d, 0) / c(a) + d kinds(a) / c(a) p(b), and p(b) by the contexts of b."""
    texts = ["aab", "ab", "ba", "cc"]
    model = ngrams.KneserNey(bytes_tokenizer(), texts, order=2)
    pairs = [pair for text in texts for pair in zip("^" + text, text, strict=False)]
    once, twice = (sum(pairs.count(p) == n for p in set(pairs)) for n in (1, 2))
    d = once / (once + 2 * twice)
    contexts = {b: len({x for x, y in pairs if y == b}) for b in "abc"}
    lower = [sum(count == n for count in contexts.values()) for n in (1, 2)]
    e = lower[0] / (lower[0] + 2 * lower[1]) if all(lower) else 0.5

    def unigram(b: str) -> float:
        total = sum(contexts.values())
        return (max(contexts.get(b, 0) - e, 0) + e * len(contexts) / 256) / total

    def bigram(a: str, b: str) -> float:
        after = [y for x, y in pairs if x == a]
        return (max(after.count(b) - d, 0) + d * len(set(after)) * unigram(b)) / len(after)

    ids = {c: bytes_tokenizer().encode(c).ids[0] for c in "abcz"}
    for a in "abc":
        for b in "abcz":
            assert model.probability(ids[b], (ids[a],)) == pytest.approx(bigram(a, b))
    request = SimpleNamespace(args=("a", "b"))
    assert model.loglikelihood([request])[0][0] == pytest.approx(math.log(bigram("a", "b")))
    whole = SimpleNamespace(args=("ab",))
    assert model.loglikelihood_rolling([whole])[0] == pytest.approx(math.log(bigram("^", "a") * bigram("a", "b")))


def test_the_most_frequent_tag_and_the_markov_model_know_what_they_saw():
    told = learning.tagged()[:300]
    most, markov = taggers.MostFrequentTag(told), taggers.HiddenMarkov(told)

    def share(model: Any) -> float:
        pairs = [p for s in told for p in zip(model.tags([w for w, _ in s]), (t for _, t in s), strict=True)]
        return sum(one == other for one, other in pairs) / len(pairs)

    assert 0.8 < share(most) < share(markov) <= 1
    assert most.tags(["neverheardof"]) == [most.otherwise]
    request = SimpleNamespace(doc={"words": ["The", "lamp"]}, args=("", {}))
    assert most.generate_until([request]) == ["DET NOUN"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who makes Xora?", "Tarn Works"),
        ("What colour is Xora?", "red"),
        ("How much is Xora?", "35 euros"),
        ("In which city is Xora made?", ""),
    ],
)
def test_patterns_read_near_what_is_asked_about(question, answer):
    text = "Zulo is blue. Zulo costs 9 euros. Xora is made by Tarn Works. Xora is red. You pay 35 euros for Xora."
    assert readers.answer(question, text) == answer


def test_pseudo_log_likelihood_masks_every_token_of_the_sentence():
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "lamp", "is", "red", "blue", ".", "old"]
    wordpiece = tokenizers.models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(wordpiece)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]", "cls_token": "[CLS]"}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special)
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)
    model = transformers.BertForMaskedLM(config).eval()
    adapter = masked.Masked(model, tokenizer)
    before, filled = "the lamp is old . the lamp is", " red ."
    ids = tokenizer(before + filled)["input_ids"]
    total = 0.0
    for place in range(6, len(ids) - 1):  # the second sentence
        row = torch.tensor([ids])
        row[0, place] = 4
        with torch.no_grad():
            total += float(model(row).logits[0, place].log_softmax(-1)[ids[place]])
    assert adapter.score(before, filled) == pytest.approx(total, rel=1e-5)
    assert adapter.score("", "the lamp") != adapter.score("", "the red")
    rolling = SimpleNamespace(args=("the lamp",), doc={"text": "the lamp"})
    with pytest.raises(base.NotEvaluated):
        adapter.loglikelihood_rolling([rolling])
