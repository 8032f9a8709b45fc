"""The proof: ten claims about the law, each checked by complete enumeration of state and evidence.

Nothing here copies the law. Every decision, every step and every gate is asked of the law under proof, the live one or
one that was broken on purpose. What makes thirty bits of evidence enumerable is said, and checked, by two lemmas:

- L1: a decision looks at no term of evidence that its way out does not read (:mod:`lifecycle.proof.watched`), so the
  combinations of the terms read stand for all combinations.
- L2: only a fact or a fault that says so takes something out of a gate, so the sets of these stand for all sets.

Claims about whole lives are checked over every standing that lawful steps lead to (:mod:`lifecycle.proof.lives`).
"""

from __future__ import annotations

from lifecycle.proof.model import CounterExample, Outcome
from lifecycle.proof.properties import LEMMAS, PROPERTIES, Property
from lifecycle.proof.space import Space

__all__ = ["LEMMAS", "PROPERTIES", "CounterExample", "Outcome", "Property", "Space"]
