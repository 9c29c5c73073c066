r"""Heads on BERT: how vectors of tokens become words, labels of texts, tags and answers.

**Key idea.** BERT describes every token by its context and decides nothing. What decides is a *head*, a layer or two on
top, and all heads are as small as that: the knowledge is below, and fine-tuning bends it to the task. A head reads
either every token by itself, or the text as a whole. For the whole there is one place, the vector of the first token:
`[CLS]` stands there and means nothing of its own, so attention is free to gather in it what is asked about the text. The
*pooler*, one layer with tanh, makes the vector of the text from it.

Two heads come from pre-training. One guesses words that were hidden: it says for every position which word of the
vocabulary stands there, by holding a transformed vector against the same table that made vectors of words. The other
says whether the second segment follows the first one in its source. The loss of pre-training is the sum of both.

**Equations.** With the last hidden states $x_i$, of which $x_0$ belongs to the first token:

$$p = \tanh(x_0 W_P^\top + b_P)$$
$$\text{masked:}\quad z_i = \mathrm{LN}\left(\mathrm{GELU}(x_i W_T^\top + b_T)\right) E^\top + b, \qquad
  \text{next sentence, sequence:}\quad z = p\,W^\top + b$$
$$\text{token:}\quad z_i = x_i W^\top + b, \qquad
  \text{span:}\quad (s_i, e_i) = x_i W^\top + b$$
$$\mathrm{loss} = -\frac1n \sum_{i:\, y_i \ne -100} \ln \mathrm{softmax}(z_i)_{y_i}, \qquad
  \mathrm{loss}_{\text{span}} = -\tfrac12 \left(\ln \mathrm{softmax}(s)_{y_s} + \ln \mathrm{softmax}(e)_{y_e}\right)$$
$$\mathrm{loss}_{\text{regression}} = \overline{(z - y)^2}, \qquad
  \mathrm{loss}_{\text{multi-label}} = -\overline{y \ln \sigma(z) + (1 - y) \ln \sigma(-z)}$$

where $n$ counts the labels that are kept, the softmax of a span runs over the positions of its text, and its two means
are taken over the texts whose start, and whose end, is kept.

**Papers.**

- Devlin, Chang, Lee, Toutanova, *BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding* (2018,
  arXiv 1810.04805): section 3.1 has the two heads of pre-training, section 4 one head each for texts, tags and spans.
- Press, Wolf, *Using the Output Embedding to Improve Language Models* (2016, arXiv 1608.05859): one table for input and
  output.
- Taylor, *Cloze Procedure* (1953, Journalism Quarterly 30): to guess hidden words as a measure of understanding.
- Rajpurkar, Zhang, Lopyrev, Liang, *SQuAD* (2016, arXiv 1606.05250): answers as spans of a text.
- Liu et al., *RoBERTa* (2019, arXiv 1907.11692): BERT without the second head of pre-training is no worse.

**Notation.** $W_P, b_P$ -> `bert.pooler.dense`, $W_T, b_T$ -> `cls.predictions.transform.dense`, $\mathrm{LN}$ ->
`cls.predictions.transform.LayerNorm`, $E$ -> `cls.predictions.decoder.weight`, or the word table, $b$ ->
`cls.predictions.bias`; $W, b$ -> `cls.seq_relationship`, `classifier` or `qa_outputs`, $y$ -> `labels`.

**Pitfalls.**

- The head that guesses words transforms before it decodes, in this order: a layer, GELU, a norm. Without it the vectors
  would have to be words already.
- Its weight is the word table, which learns from both sides; its bias, one number a word, is its own. The bias has two
  names, `cls.predictions.bias` and `cls.predictions.decoder.bias`, for one vector. A checkpoint may have either, or both.
- Next sentence: class 0 means that the second segment *does* follow, 1 that it was picked at random.
- The pooler reads the first column, whatever stands there: in a text padded on the left, padding.
- Nothing is shifted: the label of a position is the word of that position, unlike in a decoder.
- The labels say what the loss of the sequence head is. One output is a number, and its loss the mean square, be the
  labels whole numbers or not: who has two classes needs two outputs. With more outputs whole numbers are classes, one a
  text, and floating ones are for several labels at once, each a yes or no of its own; there -100 is a number like any
  other. (transformers settles it by the first labels that a model sees, and remembers it in its configuration.)
- An answer that lies beyond the text, because it was cut off, is not asked for: a start or end of t or more is left out
  of its mean. A negative one is an error here; transformers moves it, -100 too, to the first token, which stands for
  "no answer".
- Where no label is left the mean over nothing is nan, as in torch.
- Padding has scores like any other token. Who takes the best start and end must leave it out.
- The dropout before `classifier` is for training only.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from reference.architectures.bert import bert, gelu
from reference.layers.layer_norm import layer_norm
from reference.losses.cross_entropy import cross_entropy

LAYERS = {
    "pooler": ("pooler.dense",),
    "masked": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder"),
    "next_sentence": ("pooler.dense", "cls.seq_relationship"),
    "sequence": ("pooler.dense", "classifier"),
    "token": ("classifier",),
    "span": ("qa_outputs",),
}
"""What each task has on top of the last hidden states; the last layer makes the scores."""
TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
OUTPUTS = {"cls.seq_relationship": 2, "qa_outputs": 2}
IGNORED = -100


def bert_heads(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch t"],
    *,
    task: str,
    heads: int,
    epsilon: float,
    attention_mask: Int[Tensor, "batch t"] | Bool[Tensor, "batch t"] | None = None,
    token_type_ids: Int[Tensor, "batch t"] | None = None,
    position_ids: Int[Tensor, "batch t"] | None = None,
    labels: Int[Tensor, "..."] | Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "batch d"] | Float[Tensor, "batch t n"] | Float[Tensor, ""]:
    """Scores of BERT's head for `task`; with `labels`, their mean loss instead, in nats but for regression.

    `weights` is the state dict of Hugging Face's BertForMaskedLM, BertForNextSentencePrediction, BertForPreTraining,
    BertForSequenceClassification, BertForTokenClassification or BertForQuestionAnswering as it is; what is not needed is
    ignored, and the prefix `bert.` may be missing, as in BertModel's own. Without `cls.predictions.decoder.weight` the
    decoder is the word table; its bias is `cls.predictions.decoder.bias`, or without it `cls.predictions.bias`.

    | `task` | scores | `labels` |
    |---|---|---|
    | `"pooler"` | (batch, d), the text's vector, within -1 and 1 | none |
    | `"masked"` | (batch, t, vocabulary) | (batch, t), words |
    | `"next_sentence"` | (batch, 2) | (batch,), 0: the second segment follows, 1: it does not |
    | `"sequence"` | (batch, n) | (batch,), classes; if n is 1, (batch,), numbers; if they are floating, (batch, n), 0 to 1 |
    | `"token"` | (batch, t, n) | (batch, t), classes |
    | `"span"` | (batch, t, 2), of starts and of ends | (batch, 2), positions; those of t and more are not asked for |

    Words and classes of -100 are left out; where nothing is left the loss is nan. The other arguments are those of
    `reference.architectures.bert`.

    Raises ValueError for an unknown task, if the state dict lacks something, for labels of another shape or kind, for
    words, classes or positions that do not exist, and for what BERT refuses. Source: arXiv 1810.04805, sections 3.1, 4.
    """
    w = {name.removeprefix("bert."): tensor for name, tensor in weights.items()}
    w = {name: w[other] for name, other in TIED.items() if other in w} | w
    check(w, task)
    x = bert(
        w,
        input_ids,
        heads=heads,
        epsilon=epsilon,
        attention_mask=attention_mask,
        token_type_ids=token_type_ids,
        position_ids=position_ids,
    )[-1]
    *below, last = LAYERS[task]
    if last == "cls.predictions.decoder":
        dense, norm = below
        x = gelu(_linear(w, dense, x))
        x = layer_norm(x, w[f"{norm}.weight"], w[f"{norm}.bias"], eps=epsilon)
    elif "pooler.dense" in LAYERS[task]:
        x = torch.tanh(_linear(w, "pooler.dense", x[:, 0]))
    if last != "pooler.dense":
        x = _linear(w, last, x)
    return x if labels is None else loss(kind_of(task, x, labels), x, labels)


def kind_of(task: str, scores: Tensor, labels: Tensor) -> str:
    """What the labels are: "classes", "number", "several" or "span"; ValueError for what a head of `task` cannot say."""
    if task == "pooler":
        raise ValueError("expected no labels: the pooler has no loss")
    batch, outputs = scores.shape[0], scores.shape[-1]
    kind = "span" if task == "span" else "classes"
    if task == "sequence" and (outputs == 1 or labels.is_floating_point()):
        kind = "number" if outputs == 1 else "several"
    shape = (batch, outputs) if kind in ("several", "span") else scores.shape[:-1]
    if labels.shape != shape:
        raise ValueError(f"expected labels of shape {tuple(shape)} for {task}; they have {tuple(labels.shape)}")
    if labels.is_floating_point() and kind in ("classes", "span"):
        raise ValueError(f"expected labels of whole numbers for {task}; they are {labels.dtype}")
    if kind == "span" and bool((labels < 0).any()):
        raise ValueError(f"expected positions from 0 on; they begin with {labels.min()}")
    return kind


def loss(kind: str, scores: Tensor, labels: Tensor) -> Float[Tensor, ""]:
    """What the scores of a head cost in the mean, by the kind of its labels."""
    if kind == "number":
        return (scores[:, 0] - labels).square().mean()
    if kind == "several":  # the logarithm of a sigmoid has no limits, unlike a sigmoid's logarithm
        return -(labels * logsigmoid(scores) + (1 - labels) * logsigmoid(-scores)).mean()
    if kind == "span":
        asked = labels.masked_fill(labels >= scores.shape[1], IGNORED)
        return (cross_entropy(scores[..., 0], asked[:, 0]) + cross_entropy(scores[..., 1], asked[:, 1])) / 2
    return cross_entropy(scores.flatten(0, -2), labels.flatten())


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ weights[f"{name}.weight"].mT + weights[f"{name}.bias"]


def check(weights: Mapping[str, Tensor], task: str) -> None:
    """ValueError for an unknown task, and for a state dict, its names without prefix, that has no head for it."""
    if task not in LAYERS:
        raise ValueError(f"expected a task among {', '.join(LAYERS)}; it is {task!r}")
    names = [f"{layer}.{part}" for layer in LAYERS[task] for part in ("weight", "bias")]
    if missing := [name for name in names if name not in weights]:
        raise ValueError(f"expected a state dict with a head for {task}; it lacks {', '.join(missing)}")
    for layer in LAYERS[task]:
        found = weights[f"{layer}.bias"].shape[0]
        if found != (wanted := OUTPUTS.get(layer, found)):
            raise ValueError(f"expected {wanted} outputs of {layer} for {task}; it has {found}")
