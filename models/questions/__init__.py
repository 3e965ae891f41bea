"""What is asked: one module each, with its prompt, its parser and an example that it parses."""

from __future__ import annotations

from collections.abc import Mapping

from models.questions import change, description, location, presence, site, suitability
from models.questions.asked import Question

QUESTIONS: Mapping[str, Question] = {
    "suitability": suitability,
    "presence": presence,
    "location": location,
    "site": site,
    "change": change,
    "description": description,
}
