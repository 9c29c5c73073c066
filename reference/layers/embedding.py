r"""Token embedding: each token of a vocabulary has a vector of its own, and a text becomes the vectors of its tokens.

A language model begins with a table that has a row for each token, and takes the rows that the ids ask for. That is the
product of the table with a one-hot vector for each token, without the multiplications: $\mathbf 1_v^\top E = E_v$. At its
other end the model needs a score for each token of the vocabulary, and Press and Wolf, and Inan, Khosravi and Socher, let
the same rows give it: the score of a token is the inner product of its row and of what the model has made of the text.

$$
y_k = s\, E_{v_k} \qquad\qquad \ell = h\, E^\top
$$

Both uses teach the same table. From below, a row learns at each place where its token stands, and nothing where the token
is absent; from above, the head, every row learns at every place:

$$
\frac{\partial L}{\partial E_v} = s \sum_{k:\, v_k = v,\; v \ne p} \frac{\partial L}{\partial y_k}
+ \sum_j \frac{\partial L}{\partial \ell_{jv}}\, h_j
$$

## Which precision, and where it is rounded

The factor $s$ multiplies in float32 at least, and its product is rounded once. Rows that many places teach are summed in
float32 at least as well: in bfloat16 a sum of numbers of about 1 stops growing at 256, so the row of a token that a batch
holds a thousand times would forget most of them. Logits are a matrix product in the dtype of the table.

## Notation

| symbol | name | meaning |
|---|---|---|
| $E$ | `table` | one row of $d$ numbers for each token of the vocabulary |
| $v_k$ | `ids` | which token stands at place $k$ |
| $s$ | `scale` | a factor for what goes in: $\sqrt d$ in the Transformer, in Gemma, and in BART's relatives that ask for it |
| $p$ | `padding_id` | the token that fills up short texts; what it gives teaches nothing |
| $h$, $\ell$ | `hidden`, logits | what the model made of a text, and the score of each token |

## Papers

- Bengio, Ducharme, Vincent, Jauvin (2003), *A Neural Probabilistic Language Model*, JMLR 3: words as rows of a table that
  the model learns with everything else.
- Press, Wolf (2016), *Using the Output Embedding to Improve Language Models*, arXiv 1608.05859: one table for both ends,
  and that it learns as an output table does.
- Inan, Khosravi, Socher (2016), *Tying Word Vectors and Word Classifiers*, arXiv 1611.01462: the same from theory.
- Vaswani et al. (2017), *Attention Is All You Need*, arXiv 1706.03762, section 3.4: tied, and times $\sqrt d$ below. Rows
  that are as small as a head wants them would vanish beside the encodings of positions, whose sines are of size 1.

## Pitfalls

- The factor is for what goes in. Logits of a tied head do not have it.
- The row of `padding_id` is used as it is: no gradient does not mean zero. And a tied head teaches it all the same.
- 0 is a common `padding_id`, which a test of truth takes for none.
- An id of -1 is no token. An index takes it for the last one, and so does torch's `padding_idx`, with which the last
  token would learn nothing.
- Gemma's own code rounds $\sqrt d$ to the dtype of the model first: $\sqrt{3072} = 55.43$ is 55.5 in bfloat16. To have
  its numbers, pass the rounded factor.
- A one-hot product is the same only while all numbers are finite: one infinite row makes every other row NaN.
- Ids are whole numbers all the way: bfloat16 holds those to 256, float16 those to 2048.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Integer
from torch import Tensor


def embedding(
    table: Float[Tensor, "vocabulary d"],
    ids: Integer[Tensor, "*places"],
    *,
    scale: float = 1.0,
    padding_id: int | None = None,
    hidden: Float[Tensor, "*rows d"] | None = None,
) -> Float[Tensor, "*places d"] | tuple[Float[Tensor, "*places d"], Float[Tensor, "*rows vocabulary"]]:
    """For each of `ids` its row of `table`, times `scale`; with `hidden` also the logits that the tied head gives it.

    `ids` may be any whole numbers from 0 to `vocabulary - 1`, of any integer dtype. From the places of `padding_id` no
    gradient reaches the table (Vaswani et al. 2017, section 3.4; Press and Wolf 2016).

    Raises `ValueError` for ids, or a `padding_id`, that are not in the table, for ids that are no whole numbers, and for
    `hidden` of another width than the table.
    """
    vocabulary, d = table.shape
    if ids.is_floating_point() or ids.dtype == torch.bool:
        raise ValueError(f"ids must be whole numbers, got {ids.dtype}")
    places = ids.long()  # 8 bits without a sign would be taken for a mask
    if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < vocabulary:
        raise ValueError(f"ids must be from 0 to {vocabulary - 1}, got {int(places.min())} to {int(places.max())}")
    if padding_id is not None and not 0 <= padding_id < vocabulary:
        raise ValueError(f"padding_id must be from 0 to {vocabulary - 1}, or None for no padding, got {padding_id}")
    if hidden is not None and hidden.shape[-1] != d:
        raise ValueError(f"hidden must be as wide as the table, {d}, got {hidden.shape[-1]}")

    # subtle: wide before it is indexed, so that the gradients of a row that is used often are summed in float32.
    rows = table.to(torch.promote_types(table.dtype, torch.float32))[places]
    if padding_id is not None:
        rows = torch.where((places == padding_id)[..., None], rows.detach(), rows)
    vectors = (scale * rows).to(table.dtype)
    return vectors if hidden is None else (vectors, hidden @ table.mT)
