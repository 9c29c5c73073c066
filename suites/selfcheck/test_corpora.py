"""The invented worlds: what they say is true, the splits are apart, and nothing depends on order or machine."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import takewhile

import pytest

from fixtures.corpora import SPLITS, Split, clinic, python_docstrings
from fixtures.corpora.shop import descriptions, draws, grading, instructions, prompts, reviews, sentences, words, world


def names(split: Split) -> set[str]:
    return {name for p in world.products(split) for name in (p.name, p.maker.name.split()[0], p.maker.city)}


def test_no_name_serves_in_two_splits():
    train, validation, test = map(names, SPLITS)
    assert not (train & validation or train & test or validation & test)


def test_every_answer_stands_in_its_description_and_no_other_product_there_has_it():
    for product in world.products("test"):
        told = descriptions.description(product, "test")
        assert all(
            fact in told.text for fact in descriptions.facts(product).values() if not fact.startswith(("a ", "an "))
        )
        assert world.distinct(product, told.other)
        # Somebody who answers with the first price in the text is wrong of some products.
    firsts = [re.search(r"\d+ euros", descriptions.description(p, "test").text) for p in world.products("test")]
    right = [
        m is not None and int(m[0].split()[0]) == p.price for m, p in zip(firsts, world.products("test"), strict=True)
    ]
    assert 0.5 < sum(right) / len(right) < 0.9


def test_questions_have_one_answer_each():
    asked = descriptions.questions("test", 3)
    assert len({(q.text, q.answer) for q in asked}) == len({q.text for q in asked})
    assert {q.about for q in asked} == set(descriptions.QUESTIONS)


def test_a_search_uses_no_word_of_the_description_for_what_it_wants():
    for product in world.products("test")[:100]:
        query = descriptions.search_query(product, draws("query", product.name))
        assert not {product.kind, product.colour, product.material} & set(re.findall(r"\w+", query.lower()))


def test_every_review_has_full_marks_and_a_changed_one_has_not():
    told = reviews.reviews("test")
    assert {r.rating for r in told} == {1, 2, 4, 5}
    for review in told:
        assert grading.grade(review.text, review.product, review.rating, review.parts).share == 1
        opposite = grading.grade(review.text, review.product, 6 - review.rating, review.parts)
        assert not opposite.expresses_the_rating
        flipped = {part: not praised for part, praised in review.parts.items()}
        assert not grading.grade(review.text, review.product, review.rating, flipped).speaks_of_the_parts
        assert not grading.grade("", review.product, review.rating, review.parts).names_it
    other = next(c for c in words.COLOURS if c != told[0].product.colour)
    wrong = f"{told[0].text} It is {other}."
    assert not grading.grade(wrong, told[0].product, told[0].rating).keeps_to_the_facts


def test_counting_words_does_not_give_the_rating():
    """The verdict does: otherwise a bag of words would be as good as a reader."""
    told = reviews.reviews("test")

    def counted(review: reviews.Review) -> bool:
        found = re.findall(r"\w+", review.text)
        return sum(w in words.GOOD for w in found) > sum(w in words.BAD for w in found)

    assert sum(counted(r) == r.positive for r in told) / len(told) < 0.65


@pytest.mark.parametrize(
    ("instruction", "words", "answer"),
    [
        (("first",), ["red", "oak"], "red"),
        (("reversed",), ["red", "oak"], "oak red"),
        (("sorted", "last"), ["red", "oak"], "red"),
        (("capitals", "colours"), ["red", "oak"], "RED"),
        (("colours",), ["oak", "lamp"], "none"),
        (("twice", "count"), ["red", "oak"], "4"),
    ],
)
def test_instructions_mean_what_they_say(instruction, words, answer):
    for name in instruction:
        words = instructions.OPERATIONS[name].apply(words)
    assert " ".join(words) == answer


def test_training_has_no_unseen_instruction():
    known = {wording for o in instructions.OPERATIONS.values() for wording in o.seen}
    assert {i.instruction for i in instructions.instructions("train", "seen", 500)} <= known
    assert not {i.instruction for i in instructions.instructions("test", "unseen", 500)} & known
    with pytest.raises(ValueError, match="unseen"):
        instructions.instructions("train", "unseen", 1)


def test_the_verb_agrees_with_its_subject_and_not_always_with_the_noun_before_it():
    told = sentences.sentences("test", 1000)
    for one in told:
        before = list(takewhile(lambda tagged: tagged[1] not in ("ADP", "AUX", "VERB"), one.tagged))
        subject = [word.lower() for word, tag in before if tag in ("NOUN", "PRON")][-1]
        plural = subject == "they" or subject in sentences.NOUNS.values()
        assert (one.words[one.verb] in {"are", *sentences.VERBS}) == plural, one.text
        assert (one.wrong in {"are", *sentences.VERBS}) != plural
        assert {tag for _, tag in one.tagged} <= set(sentences.TAGS)
    attracted = [one for one in told if one.attracted]
    assert 100 < len(attracted) < 400


def test_the_class_of_a_note_follows_from_what_is_present():
    told = clinic.notes("test", 400)
    assert {note.label for note in told} == set(clinic.CLASSES)
    for note in told:
        level = min(
            clinic.COMPLAINTS[what][0]
            for what, (_, wordings) in clinic.COMPLAINTS.items()
            if any(f"c/o {wording}" in note.text for wording in wordings)
        )
        alarmed = any(alarm in note.text for alarm in clinic.ALARMS)
        assert note.label == clinic.CLASSES[max(0, level - alarmed)]


def test_notes_and_docstrings_of_a_split_stand_in_no_other():
    notes = [{note.text for note in clinic.notes(split, 300)} for split in SPLITS]
    docs = [{doc.text for doc in python_docstrings.of(split)} for split in SPLITS]
    for train, validation, test in (notes, docs):
        assert not (train & validation or train & test or validation & test)
    assert {d.module for d in python_docstrings.of("test")} == set(python_docstrings.MODULES)


def test_changed_docstrings_are_refused(tmp_path, monkeypatch):
    (tmp_path / "changed.jsonl").write_bytes(python_docstrings.FILE.read_bytes() + b"\n")
    monkeypatch.setattr(python_docstrings, "FILE", tmp_path / "changed.jsonl")
    with pytest.raises(ValueError, match="restore it"):
        python_docstrings.docstrings.__wrapped__()


DIGEST = """
import hashlib
from fixtures.corpora import clinic
from fixtures.corpora.shop import descriptions, instructions, reviews, sentences
told = [d.text for d in descriptions.descriptions("test")] + [r.text for r in reviews.reviews("test")]
told += [i.answer for i in instructions.instructions("test", "unseen", 99)] + [n.text for n in clinic.notes("test", 99)]
told += [s.text for s in sentences.sentences("test", 99)]
print(hashlib.sha256("\\n".join(told).encode()).hexdigest())
"""


def test_the_worlds_are_the_same_in_every_process():
    """Hash seeds and the order of calls change nothing; neither may another version of Python."""
    seen = {
        subprocess.run(
            [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {"b657f00b983066194b29ae0b96117dfc84ffeda93fe3e80a05ad448df5073e07\n"}, (
        "a new text needs a new VERSION"
    )


def test_prompts_end_where_their_answers_begin():
    """A tokenizer must not join the end of a prompt with the beginning of its answer."""
    one = sentences.sentences("test", 1)[0]
    product = world.products("test")[0]
    given = [
        prompts.asked("Who?", "A text."),
        prompts.asked("Who?"),
        prompts.sentiment("Good."),
        prompts.instructed(instructions.instructions("test", "seen", 1)[0]),
        prompts.review(product, 4, {"lid": True}),
        prompts.summarized("A text."),
        prompts.tagged(one),
    ]
    assert all(prompt == prompt.strip() for prompt in given)
