"""Tests of the suite: shapes in the references' signatures are checked while laws run."""

from __future__ import annotations

import pytest
import torch

from fixtures.concepts import concepts
from fixtures.plugin.shapes import shaped


def test_every_numeric_concept_is_checked():
    """All whose values are tensors, and none whose values are exact."""
    modules = set(shaped())
    wrong = [own.id for own in concepts().values() if (own.module_name in modules) != own.numeric]
    assert not wrong


def test_a_wrong_shape_raises():
    """Keys and values of different lengths are seen before anything is computed."""
    from reference.attention.scaled_dot_product import scaled_dot_product

    with pytest.raises(Exception, match="Type-check"):
        scaled_dot_product(torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(5, 3))
