r"""Cross-entropy: what it costs, in nats, to be told the right class when another distribution was expected.

Scores (*logits*) of `v` classes become probabilities by softmax, and the cost of a row is minus the logarithm of the
probability that its label got. A language model is trained on it, one row a token, the vocabulary being the classes;
its exponential is the perplexity.

$$
\ell_i = -\ln p_{i,y_i} = \ln \sum_k e^{x_{ik}} - x_{i y_i}
\qquad
\frac{\partial \ell_i}{\partial x_{ik}} = p_{ik} - [k = y_i]
$$

**Ignored rows** carry the label `ignore_index`. They cost 0, get no gradient, and do not count in the mean.

**Label smoothing** mixes the label with the uniform distribution over **all** `v` classes, the label's own among them:
with smoothing $\epsilon$ the label keeps $1 - \epsilon + \epsilon/v$.

**Class weights** $w$ scale the cost of each class, and the mean is divided by the weights of the labels:

$$
\ell_i = -(1-\epsilon)\, w_{y_i} \ln p_{i y_i} - \frac{\epsilon}{v} \sum_k w_k \ln p_{ik}
\qquad
\operatorname{mean} = \frac{\sum_i \ell_i}{\sum_i w_{y_i}}
$$

**A given count** $N$ divides the sum in place of what the batch itself has. A step of training is mostly cut into several
micro-batches, on one device after another and on several at once. Each knows its own rows only, but the loss of the
step is the mean over the rows of all of them. So all divide by the one number of rows that count in the whole step, and
their losses, and gradients, add up to its own:

$$
\operatorname{mean} = \frac1N \sum_{b} \sum_{i \in b} \ell_i
\qquad \text{not} \qquad
\frac1B \sum_{b=1}^{B} \frac{1}{N_b} \sum_{i \in b} \ell_i
$$

## Notation

| symbol | name | meaning |
|---|---|---|
| $x$ | `logits` | `n` rows of scores of `v` classes |
| $y$ | `labels` | the right class of each row, or `ignore_index` |
| $w$ | `weight` | of each class; 1 unless given |
| $\epsilon$ | `label_smoothing` | share of the label that is spread evenly |
| $N$ | `count` | number of rows that count in the whole step (transformers' `num_items_in_batch`) |

## Papers

- Bridle (1990), *Training Stochastic Model Recognition Algorithms as Networks can Lead to Maximum Mutual Information
  Estimation of Parameters*, NIPS 2: softmax with the logarithmic cost.
- Szegedy, Vanhoucke, Ioffe, Shlens, Wojna (2015), *Rethinking the Inception Architecture for Computer Vision*,
  arXiv 1512.00567, section 7: label smoothing, towards the uniform distribution over all classes.
- Müller, Kornblith, Hinton (2019), *When Does Label Smoothing Help?*, arXiv 1906.02629: what it does to a model.

## Pitfalls

- The logarithm of a softmax is $-\infty$ where the probability underflows, at differences of about 100 in float32.
  Subtracting the log-sum-exp from the logits has no such limit.
- The mean of no rows is 0/0: if every row is ignored it is NaN here, as in torch since 1.11, and the sum is 0.
- The weights of the *labels* divide, not the number of rows, and with smoothing too. So weights that are all 3 change
  nothing in the mean.
- The mean of the means of two halves of a batch is not the mean of the batch, unless as many labels count in each. Up to
  October 2024 most trainers accumulated gradients so (transformers issue 34191): short texts counted more than long ones.
- A micro-batch without a single label is NaN as a mean, and with it the whole step; divided by the count of the step it
  is 0, and that is right.
- A class whose logit is $-\infty$ is forbidden: it costs nothing as long as it is nobody's label and nothing is smoothed,
  but $0 \cdot \infty$ is NaN where somebody multiplies by a one-hot row.
- Where classes are ignored by `ignore_index` the *rows* of that label are ignored; the class stays in every softmax.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

EXTENSIONS = ("count",)
"""Options for training only: an implementation without them is one all the same."""


def cross_entropy(
    logits: Float[Tensor, "n v"],
    labels: Int[Tensor, "n"],
    *,
    weight: Float[Tensor, "v"] | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    count: int | float | None = None,
) -> Float[Tensor, ""] | Float[Tensor, "n"]:
    """Cost of `labels` under the softmax of `logits`, in nats and in the dtype of `logits` (of half precision, float32
    is as good).

    `reduction` is `"mean"` over the rows that are not ignored, weighted by the class of their label; `"sum"`; or
    `"none"`, which gives the `n` costs, 0 where ignored. With `count` the mean is the sum over that number instead, whatever
    the labels weigh: the number of rows that count in all micro-batches of a step.

    Raises `ValueError` for shapes that do not fit, a label that is neither a class nor `ignore_index`, a smoothing outside
    0 ... 1, an unknown reduction, a count that is not positive, and a count where nothing is averaged.
    """
    n, v = logits.shape
    kept = labels != ignore_index
    if labels.shape != (n,):
        raise ValueError(f"expected one label for each of {n} rows, got {tuple(labels.shape)}")
    if bool((kept & ((labels < 0) | (labels >= v))).any()):
        raise ValueError(f"labels must be classes 0 ... {v - 1} or {ignore_index}, got {sorted(set(labels.tolist()))}")
    if weight is not None and weight.shape != (v,):
        raise ValueError(f"expected one weight for each of {v} classes, got {tuple(weight.shape)}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1, got {label_smoothing}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, got {reduction!r}")
    if count is not None and (reduction != "mean" or not count > 0):
        raise ValueError(f"count must be positive, and is for the mean only; got {count} for {reduction}")

    weight = torch.ones(v, dtype=logits.dtype, device=logits.device) if weight is None else weight
    gold = labels.where(kept, 0)  # any class will do for the ignored: they are blanked below
    log_p = torch.log_softmax(logits, dim=-1)
    costs = -log_p.gather(-1, gold[:, None])[:, 0] * weight[gold]
    if label_smoothing > 0:  # else 0 times the infinite cost of a forbidden class would be NaN
        spread = -(log_p * weight).mean(-1)
        costs = (1 - label_smoothing) * costs + label_smoothing * spread
    costs = costs.masked_fill(~kept, 0)

    if reduction == "none":
        return costs
    if reduction == "sum":
        return costs.sum()
    if count is not None:
        return costs.sum() / count
    return costs.sum() / weight[gold].masked_fill(~kept, 0).sum()
