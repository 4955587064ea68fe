from __future__ import annotations

import pytest

from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.identity.sface import SFace


@pytest.fixture(scope="session")
def compact_engine(sface: SFace) -> CompactEngine:
    return CompactEngine(guide=sface)
