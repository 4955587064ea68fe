"""What the package offers by name is there, though nothing of it is imported before it is used."""

from __future__ import annotations

import pytest

import reverse_personalization


@pytest.mark.parametrize("name", reverse_personalization.__all__)
def test_a_public_name_leads_to_what_is_called_so(name: str) -> None:
    assert getattr(reverse_personalization, name).__name__ == name


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="nobody"):
        _ = reverse_personalization.nobody
