"""The rules: the first that fits reads, each that does not says why, and mistakes have a line."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from dicom_node import rules
from dicom_node.errors import Misconfigured, NotForUs
from dicom_node.rules import Known, Rule
from dicom_node.study import Instance, Patient, Study, View

KNOWN = Known(
    prepare=("chest_radiograph", "plain"),
    questions=("suitability", "presence", "location", "site", "change"),
    outputs=("sr", "seg", "gsps", "sc", "pdf", "kos"),
)


def rule(name: str = "chest", **changes: Any) -> dict[str, Any]:
    """A rule as it stands in the file."""
    return {
        "name": name,
        "modalities": ["CR", "DX"],
        "body_parts": ["CHEST"],
        "views": ["PA", "AP"],
        "prepare": "chest_radiograph",
        "questions": ["presence"],
        "outputs": ["sr"],
    } | changes


def load(folder: Path, *written: dict[str, Any]) -> tuple[Rule, ...]:
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"rules": list(written)}, sort_keys=False), encoding="utf-8")
    return rules.load(path, KNOWN)


def study(*, age: float | None = 50.0, **changes: Any) -> Study:
    given: dict[str, Any] = {
        "path": Path("film"),
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1",
        "sop_instance_uid": "1.1",
        "series_instance_uid": "1.2",
        "study_instance_uid": "1",
        "modality": "CR",
        "body_part": "CHEST",
        "view": View.PA,
        "rows": 10,
        "columns": 10,
        "acquired": datetime(2020, 1, 1),
    }
    film = Instance(**(given | changes))
    return Study("1", Patient("", "", "", None, ""), (film,), age_years=age)


def test_the_first_rule_that_fits_reads(tmp_path: Path) -> None:
    used = load(
        tmp_path,
        rule("hands", body_parts=["HAND"]),
        rule("first", prepare="plain"),
        rule("second"),
    )
    plan = rules.plan(study(), used)
    assert (plan.rule.name, plan.rule.prepare) == ("first", "plain")
    assert plan.choice.film.sop_instance_uid == "1.1"
    assert rules.plan(study(), used[::-1]).rule.name == "second"
    assert rules.plan(study(body_part="HAND"), used).rule.name == "hands"


def test_each_rule_that_does_not_fit_gives_its_reason(tmp_path: Path) -> None:
    used = load(
        tmp_path,
        rule("hands", body_parts=["HAND"]),
        rule("bedside", views=["AP"]),
        rule("elderly", minimum_age_years=65),
    )
    with pytest.raises(NotForUs) as caught:
        rules.plan(study(), used)
    assert str(caught.value).split("; ") == [
        "hands: no image fits: Body Part Examined is CHEST",
        "bedside: no image fits: view is PA",
        "elderly: the patient is younger than 65 years",
    ]


@pytest.mark.parametrize(
    ("age", "read"), [(17.999, False), (18.0, True), (18.001, True), (0.0, False), (101.0, True)]
)
def test_nobody_younger_than_the_rule_says_is_read(
    tmp_path: Path, age: float, *, read: bool
) -> None:
    """18 is what a rule says that says nothing."""
    used = load(tmp_path, rule())
    if read:
        assert rules.plan(study(age=age), used).rule.name == "chest"
    else:
        with pytest.raises(NotForUs, match="chest: the patient is younger than 18 years"):
            rules.plan(study(age=age), used)


def test_an_unknown_age_is_refused_unless_the_rule_reads_it(tmp_path: Path) -> None:
    for written in (rule(), rule(unknown_age="refuse"), rule(minimum_age_years=0)):
        with pytest.raises(NotForUs, match="the age of the patient is not known"):
            rules.plan(study(age=None), load(tmp_path, written))
    reading = load(tmp_path, rule(unknown_age="read"))
    assert rules.plan(study(age=None), reading).rule.name == "chest"
    with pytest.raises(NotForUs, match="younger"):
        rules.plan(study(age=3), reading)


def test_a_later_rule_may_read_the_age_that_an_earlier_one_does_not(tmp_path: Path) -> None:
    used = load(tmp_path, rule("adults"), rule("children", minimum_age_years=0))
    assert rules.plan(study(age=5), used).rule.name == "children"
    assert rules.plan(study(age=30), used).rule.name == "adults"


def test_an_unknown_view_is_read_as_frontal_only_where_the_rule_says_so(tmp_path: Path) -> None:
    film = study(view=View.UNKNOWN)
    with pytest.raises(NotForUs, match="view is not stated"):
        rules.plan(film, load(tmp_path, rule()))
    plan = rules.plan(film, load(tmp_path, rule(unknown_view="read as frontal")))
    assert plan.choice.film.view is View.FRONTAL
    assert plan.choice.notes


@pytest.mark.parametrize(
    ("changes", "line", "told"),
    [
        ({"prepare": "chest_radiogrph"}, 9,
         "prepare: unknown `chest_radiogrph`; did you mean `chest_radiograph`?"),
        ({"questions": ["presence", "locaton"]}, 10,
         "questions: unknown `locaton`; did you mean `location`?"),
        ({"outputs": ["sr", "sge"]}, 11, "outputs: unknown `sge`; did you mean `seg`?"),
        ({"outputs": ["fhir"]}, 11, "outputs: unknown `fhir`; valid are: gsps, kos, pdf, sc, seg, "
         "sr"),
    ],
)  # fmt: skip
def test_a_name_that_the_program_does_not_know_has_file_line_and_the_nearest(
    tmp_path: Path, changes: dict[str, Any], line: int, told: str
) -> None:
    text = (
        "rules:\n"
        "  - {name: fine, modalities: [CR], body_parts: [CHEST], views: [PA],\n"
        "     prepare: plain, questions: [presence], outputs: [sr]}\n"
        "  # the second\n"
        "  - name: broken\n"
        "    modalities: [CR]\n"
        "    body_parts: [CHEST]\n"
        "    views: [PA]\n"
    )
    named = {key: rule()[key] for key in ("prepare", "questions", "outputs")} | changes
    path = tmp_path / "rules.yaml"
    path.write_text(
        text + "".join(f"    {key}: {value}\n" for key, value in named.items()), encoding="utf-8"
    )
    with pytest.raises(Misconfigured) as caught:
        rules.load(path, KNOWN)
    assert str(caught.value) == f"{path}:{line}: {told}"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"modalites": ["CR"]},
            "rules.0.modalites: unknown `modalites`; did you mean",
        ),
        ({"views": ["PA", "sideways"]}, "rules.0.views.1: input should be 'PA', 'AP'"),
        ({"unknown_age": "guess"}, "rules.0.unknown_age: input should be 'read' or 'refuse'"),
        ({"unknown_view": "read"}, "rules.0.unknown_view: input should be 'read as frontal'"),
        ({"minimum_age_years": -1}, "rules.0.minimum_age_years: input should be greater"),
        ({"priors": {"count": 0}}, "rules.0.priors.count: input should be greater"),
        ({"views": ["lateral"]}, "rules.0.views.0: "),
        ({"views": []}, "rules.0.views: "),
        ({"priors": {"maximum_age_days": 900}}, "is now `age`: write `age: 0D-900D`"),
        ({"priors": {"ages": "0D-5Y"}}, "rules.0.priors.ages: unknown `ages`; did you mean `age`?"),
        ({"priors": {"age": "5Y"}}, "rules.0.priors.age: `5Y` is not a range of ages: write two"),
        ({"priors": {"age": "5Y-6M"}}, "the younger first, such as `0D-5Y` or `6M-5Y`"),
        ({"priors": {"age": "0-5"}}, "rules.0.priors.age: `0-5` is not a range of ages"),
        ({"priors": {"age": 1825}}, "rules.0.priors.age: `1825` is not a range of ages"),
        ({"priors": {"views": ["LL"]}}, "rules.0.priors.views.0: input should be 'PA', 'AP'"),
        ({"priors": {"modalities": []}}, "rules.0.priors.modalities: "),
        ({"priors": {"provisional_identities": ["*"]}}, "provisional_identities.0: expected words"),
        ({"priors": {"provisional_identities": [" "]}}, "provisional_identities.0: expected words"),
        ({"priors": {"reopen_hours": -1}}, "rules.0.priors.reopen_hours: input should be"),
    ],
)
def test_what_is_not_a_rule_is_told_with_its_line(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(Misconfigured, match=r"rules\.yaml:\d+: ") as caught:
        load(tmp_path, rule(**changes))
    assert told in str(caught.value)


def test_one_mistake_in_the_only_rule_is_one_line(tmp_path: Path) -> None:
    """Not also that there is no rule at all."""
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, rule(unknown_age="guess"))
    assert len(str(caught.value).splitlines()) == 1


def test_a_question_that_needs_another_is_not_asked_alone(tmp_path: Path) -> None:
    known = replace(KNOWN, needs={"site": "presence"})
    path = tmp_path / "rules.yaml"
    for questions, fits in ((["site"], False), (["presence"], True), (["site", "presence"], True)):
        path.write_text(yaml.safe_dump({"rules": [rule(questions=questions)]}), encoding="utf-8")
        if fits:
            assert rules.load(path, known)[0].questions == tuple(questions)
        else:
            with pytest.raises(Misconfigured, match="questions: `site` needs `presence`"):
                rules.load(path, known)


def test_a_file_without_rules_reads_nothing_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"rules: .* at least 1 item"):
        load(tmp_path)


def test_a_rule_is_found_by_its_name_or_the_nearest_is_told(tmp_path: Path) -> None:
    used = load(tmp_path, rule("adult chest"), rule("children"))
    assert rules.rule_named("children", used) is used[1]
    with pytest.raises(Misconfigured, match=r"did you mean `adult chest`\?"):
        rules.rule_named("adult chests", used)


def test_without_priors_a_rule_asks_for_none_and_with_them_has_bounds(tmp_path: Path) -> None:
    without, bare = load(tmp_path, rule(), rule("other", priors={}))
    assert without.priors is None
    assert bare.priors is not None
    assert str(bare.priors.age) == "0D-5Y"
    assert bare.priors.reopen_hours == 0
    assert bare.priors.count == 3


def test_the_shipped_rule_reads_adults_frontal_films_only() -> None:
    with resources.as_file(resources.files("config") / "rules.yaml") as path:
        used = rules.load(path, KNOWN)
    assert rules.plan(study(), used).rule.priors is not None
    for refused in (
        study(age=17),
        study(age=None),
        study(view=View.LATERAL),
        study(view=View.UNKNOWN),
        study(body_part="HAND"),
        study(modality="CT"),
    ):
        with pytest.raises(NotForUs):
            rules.plan(refused, used)
