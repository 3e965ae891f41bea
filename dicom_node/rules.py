"""What is read how: ``rules.yaml``, and the first rule that fits a study."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dicom_node import identity, yamlfile
from dicom_node.ages import AgeRange
from dicom_node.errors import Misconfigured, NotForUs
from dicom_node.films import Choice, choose_film
from dicom_node.study import Priority, Study

#: Only frontal films can be stood up (see geometry.py).
_Frontal = Literal["PA", "AP", "frontal"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _checked_words(entry: str) -> str:
    if not all(re.fullmatch(r"\w+\*?", word) for word in entry.split()) or not entry.strip():
        raise ValueError(
            "expected words, each of which may end in `*`, such as `TRAUMA` or `ANONYM*`"
        )
    return entry


class Priors(_Section):
    """Which earlier studies may be compared with."""

    count: Annotated[int, Field(ge=1)] = 3
    age: Annotated[AgeRange, BeforeValidator(AgeRange.parse)] = AgeRange.parse("0D-5Y")
    modalities: Annotated[tuple[str, ...], Field(min_length=1)] = ("CR", "DX")
    body_parts: Annotated[tuple[str, ...], Field(min_length=1)] = ("CHEST", "THORAX")
    views: Annotated[tuple[_Frontal, ...], Field(min_length=1)] = ("PA", "AP", "frontal")
    provisional_identities: tuple[Annotated[str, AfterValidator(_checked_words)], ...] = (
        identity.PROVISIONAL
    )
    reopen_hours: Annotated[float, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _tell_of_age(cls, data: Any) -> Any:
        if isinstance(data, dict) and "maximum_age_days" in data:
            days = data["maximum_age_days"]
            raise ValueError(f"maximum_age_days is now `age`: write `age: 0D-{days}D`")
        return data


class Rule(_Section):
    """One way of reading. ``prepare``, ``questions`` and ``outputs`` name functions of the code."""

    name: str
    modalities: Annotated[tuple[str, ...], Field(min_length=1)]
    body_parts: Annotated[tuple[str, ...], Field(min_length=1)]
    views: Annotated[tuple[_Frontal, ...], Field(min_length=1)]
    unknown_view: Literal["read as frontal", "refuse"] = "refuse"
    minimum_age_years: Annotated[float, Field(ge=0)] = 18
    unknown_age: Literal["read", "refuse"] = "refuse"
    prepare: str
    questions: Annotated[tuple[str, ...], Field(min_length=1)]
    outputs: Annotated[tuple[str, ...], Field(min_length=1)]
    priors: Priors | None = None
    priority: Literal["routine", "high", "stat"] = "routine"

    @property
    def at_least(self) -> Priority:
        """The priority that what it reads has, if its images do not state a higher one."""
        return Priority[self.priority.upper()]


class RulesFile(_Section):
    """The rules of a site, in the order in which they are tried."""

    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a rule may use, as the program that reads the rules knows them.

    ``needs`` names for some questions another one, without which they cannot be asked.
    """

    prepare: Collection[str]
    questions: Collection[str]
    outputs: Collection[str]
    needs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The rule that fits a study, and the film it chooses."""

    rule: Rule
    choice: Choice


def load(path: Path, known: Known) -> tuple[Rule, ...]:
    """The rules of a file.

    Raises:
        Misconfigured: what the file holds is not a rule, or it names something unknown.
    """
    rules = yamlfile.load(path, RulesFile).rules
    document = yamlfile.read(path)
    for index, rule in enumerate(rules):
        used: Mapping[str, tuple[tuple[str, ...], Collection[str]]] = {
            "prepare": ((rule.prepare,), known.prepare),
            "questions": (rule.questions, known.questions),
            "outputs": (rule.outputs, known.outputs),
        }
        for key, (names, valid) in used.items():
            for name in names:
                if name not in valid:
                    place = document.where(("rules", index, key))
                    raise Misconfigured(f"{place}: {key}: {yamlfile.unknown(name, valid)}")
        for question in rule.questions:
            needed = known.needs.get(question, question)
            if needed not in rule.questions:
                place = document.where(("rules", index, "questions"))
                raise Misconfigured(f"{place}: questions: `{question}` needs `{needed}` beside it")
    return rules


def plan(study: Study, rules: tuple[Rule, ...]) -> Plan:
    """The first rule that reads this study, and the film it chooses.

    Raises:
        NotForUs: no rule does; the text gives the reason of each.
    """
    reasons = []
    for rule in rules:
        try:
            return Plan(rule, _apply(study, rule))
        except NotForUs as refusal:
            reasons.append(f"{rule.name}: {refusal}")
    raise NotForUs("; ".join(reasons))


def rule_named(name: str, rules: tuple[Rule, ...]) -> Rule:
    """The rule of this name.

    Raises:
        Misconfigured: the file no longer has it.
    """
    for rule in rules:
        if rule.name == name:
            return rule
    raise Misconfigured(f"rules.yaml: {yamlfile.unknown(name, [rule.name for rule in rules])}")


def _apply(study: Study, rule: Rule) -> Choice:
    choice = choose_film(
        study,
        modalities=rule.modalities,
        body_parts=rule.body_parts,
        views=rule.views,
        unknown_view=rule.unknown_view,
    )
    if study.age_years is None:
        if rule.unknown_age == "refuse":
            because = f": {study.age_missing}" if study.age_missing else ""
            raise NotForUs(f"the age of the patient is not known{because} (unknown_age)")
    elif study.age_years < rule.minimum_age_years:
        raise NotForUs(f"the patient is younger than {rule.minimum_age_years:g} years")
    return choice
