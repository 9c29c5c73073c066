r"""Resizing an embedding: a table for more words than a model was trained with, or for fewer.

Words are added to a model for what its training did not have: a token of padding, the turns of a dialogue, names. Their
rows must be something before they are trained. The obvious, numbers drawn as small as untrained weights are, is a bad
start for a head, where a row is what its word scores with: trained rows have learned to score far below 0 nearly
everywhere, so a word whose row is about 0 takes most of the probability, wherever it is.

The mean of the old rows scores what words score in the mean. By the inequality of the arithmetic and the geometric mean
$e^{\bar z} \le \frac1n \sum_i e^{z_i}$, so $k$ new words together take at most $k$ of $n + k$ parts, whatever is asked:

$$
T' = \begin{cases}
  T_{1..m} & m \le n \\
  (T_1, \ldots, T_n, \bar T, \ldots, \bar T) & m > n
\end{cases}
\qquad
\bar T = \frac1n \sum_{i=1}^n T_i
\qquad
\ln \frac{\sum_{i \le m} e^{h \cdot T'_i}}{\sum_{i \le n} e^{h \cdot T_i}} \le \ln \frac mn
$$

## Papers

- Hewitt (2021), *Initializing New Word Embeddings for Pretrained Language Models*: why the mean, and the bound.
- Press, Wolf (2016), *Using the Output Embedding to Improve Language Models*, arXiv 1608.05859: one table for both ends.
  Where it is one, it stays one: both ends get the same rows.

## Notation

$T$ -> `table`, $n$ -> its rows, $m$ -> `rows`, $\bar T$ -> the mean of its rows, $h$ -> what a head is given.

## Pitfalls

- Equal rows get equal gradients from a head that is not asked for them; transformers adds a little noise to the mean, a
  thirty-thousandth of the old rows' spread, so that no two are alike. The laws allow for a thousandth.
- Rows are cut off at the end: ids of the words that stay do not change.
- In bfloat16 a sum over a vocabulary, added up one by one, stands still; the mean is taken in float32 at least.
- The resized table is a new parameter, which learns from then on. Nothing flows back into the old one, and no law asks.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def embedding_resizing(table: Float[Tensor, "vocabulary d"], rows: int) -> Float[Tensor, "rows d"]:
    """`table` cut to its first `rows` rows, or filled up to so many by the mean of all that it has (Hewitt 2021).

    Raises `ValueError` for less than one row, and for a table that has none.
    """
    if rows < 1 or len(table) < 1:
        raise ValueError(
            f"expected a table of at least one row, to have at least one; it has {len(table)}, to be {rows}"
        )
    mean = table.to(torch.promote_types(table.dtype, torch.float32)).mean(0).to(table.dtype)
    return torch.cat([table[:rows], mean.expand(max(rows - len(table), 0), -1)])
