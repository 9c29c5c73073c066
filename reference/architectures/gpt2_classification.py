r"""Classes of texts by GPT-2: a linear layer on the last token of a text, wherever the text ends.

**Key idea.** Attention is causal, so one place alone has seen the whole text: its last token. A layer on top of the vector
of that token says what the text is about, and nothing has to be added to the text for it, unlike BERT's `[CLS]`, which
may stand first because there every token sees all others.

**Where does a text end?** In a batch shorter texts are padded, and the last column is padding for all but the longest.
The mask would tell, but is not asked: a text ends with its rightmost token that is not the token of padding.

**Equations.** With the last hidden states $x_i$, already normed, of a text $w_1 \dots w_t$ and its padding token $w_\circ$:

$$j = \max \{ i : w_i \ne w_\circ \}, \qquad z = x_j W^\top$$

The loss of $z$ is that of BERT's head for texts, `reference.architectures.bert_heads`.

**Papers.**

- Radford, Narasimhan, Salimans, Sutskever, *Improving Language Understanding by Generative Pre-Training* (OpenAI, 2018),
  section 3.2: a linear layer on the last token's activation, trained together with the model. There every text ends
  with a token of its own, made for that; here it need not.
- Radford et al., *Language Models are Unsupervised Multitask Learners* (OpenAI, 2019): the model below.

**Notation.** $x$ -> `x`, $w_\circ$ -> `padding_id`, $j$ -> `last`, $W$ -> `score.weight`.

**Pitfalls.**

- GPT-2 has no token of padding. Its token of the end is taken for one mostly, and then a text that does end with that
  token is read at the token before it.
- Padding is known by its number. A mask that hides the last tokens of a text hides them from attention, and the text is
  read there nevertheless.
- Without the number of padding the last column would be read, which is padding in most rows: more than one text is
  refused.
- Nothing but padding has no last token, and is refused here; transformers reads column 0.
- A text padded on the left needs `position_ids`, as in GPT-2 itself.
- The layer has no bias.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reference.architectures.bert_heads import kind_of, loss
from reference.architectures.gpt2 import gpt2


def gpt2_classification(
    weights: Mapping[str, Tensor],
    input_ids: Int[Tensor, "batch t"],
    *,
    heads: int,
    epsilon: float,
    padding_id: int | None = None,
    attention_mask: Int[Tensor, "batch t"] | Bool[Tensor, "batch t"] | None = None,
    position_ids: Int[Tensor, "batch t"] | None = None,
    labels: Int[Tensor, "..."] | Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "batch n"] | Float[Tensor, ""]:
    """Scores of each text for n classes; with `labels`, their mean loss instead, in nats but for regression.

    `weights` is the state dict of Hugging Face's GPT2ForSequenceClassification as it is. `padding_id`: the token of
    padding; a text is read at its rightmost token that is another, or, without a `padding_id`, in its last column.
    `labels`: (batch,), classes, -100 for a text that is left out; numbers if n is 1; (batch, n) and floating, 0 to 1, for
    several classes at once. The other arguments are those of `reference.architectures.gpt2`.

    Raises ValueError for several texts without a `padding_id`, for a text that has no other token, if the state dict
    lacks something, for labels of another shape or kind, for classes that do not exist, and for what GPT-2 refuses.
    Source: Radford et al. 2018, section 3.2; transformers' GPT2ForSequenceClassification.
    """
    if (head := weights.get("score.weight")) is None:
        raise ValueError("expected the state dict of a GPT2ForSequenceClassification; it lacks score.weight")
    x = gpt2(
        weights,
        input_ids,
        heads=heads,
        epsilon=epsilon,
        attention_mask=attention_mask,
        position_ids=position_ids,
        returns="hidden_states",
    )[-1]
    scores = x[torch.arange(len(x), device=x.device), last_token(input_ids, padding_id)] @ head.mT
    return scores if labels is None else loss(kind_of("sequence", scores, labels), scores, labels)


def last_token(input_ids: Int[Tensor, "batch t"], padding_id: int | None) -> Int[Tensor, " batch"]:
    """The column of each text's rightmost token that is not padding; ValueError where there is none, or nobody knows."""
    batch, t = input_ids.shape
    if padding_id is None:
        if batch != 1:
            raise ValueError(f"expected a padding_id, which tells where each of {batch} texts ends")
        return torch.full((batch,), t - 1, device=input_ids.device)
    columns = torch.arange(t, device=input_ids.device)
    last = columns.where(input_ids != padding_id, -1).amax(-1)
    if bool((last < 0).any()):
        raise ValueError(f"expected a token besides padding in every text; one has {padding_id} only")
    return last
