"""Part-of-speech taggers that count: the most frequent tag of a word, and a hidden Markov model."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suites.accuracy.models.base import Adapter, WrongKind

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

    Tagged = Sequence[tuple[str, str]]


class Tagger(Adapter):
    """Answers tagging tasks: one tag for each of the document's words."""

    @abstractmethod
    def tags(self, words: list[str]) -> list[str]:
        """One tag a word."""

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        if any("words" not in request.doc for request in requests):
            raise WrongKind("a tagger answers tasks that ask for the tags of words")
        return [" ".join(self.tags(list(request.doc["words"]))) for request in requests]


class MostFrequentTag(Tagger):
    """The tag that the word has most often in training; of a word that training has not, the most frequent tag."""

    def __init__(self, sentences: Sequence[Tagged]) -> None:
        super().__init__()
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            for word, tag in sentence:
                counts[word.lower()][tag] += 1
        self.best = {word: min(c, key=lambda tag: (-c[tag], tag)) for word, c in counts.items()}
        total = sum(counts.values(), Counter[str]())
        self.otherwise = min(total, key=lambda tag: (-total[tag], tag))

    def tags(self, words: list[str]) -> list[str]:
        return [self.best.get(word.lower(), self.otherwise) for word in words]


class HiddenMarkov(Tagger):
    """Viterbi's path through counted transitions and emissions (Church 1988), by nltk, with 0.1 added to each count."""

    def __init__(self, sentences: Sequence[Tagged]) -> None:
        super().__init__()
        from nltk.probability import LidstoneProbDist
        from nltk.tag.hmm import HiddenMarkovModelTrainer

        lowered = [[(word.lower(), tag) for word, tag in sentence] for sentence in sentences]

        def smoothed(counts: Any, bins: int) -> Any:
            return LidstoneProbDist(counts, 0.1, bins)

        self.model = HiddenMarkovModelTrainer().train_supervised(lowered, estimator=smoothed)

    def tags(self, words: list[str]) -> list[str]:
        return [tag for _, tag in self.model.tag([word.lower() for word in words])]
