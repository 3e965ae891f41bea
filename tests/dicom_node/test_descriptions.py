"""Words in free text: what they say in the languages we know, and what only looks like them."""

from __future__ import annotations

import pytest

from dicom_node.headers import descriptions
from dicom_node.study import View


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("Chest PA", View.PA),
        ("CHEST_PA", View.PA),
        ("view: PA", View.PA),
        ("Chest PA PA", View.PA),
        ("Thorax p.a.", View.PA),
        ("Thorax p. a. im Stehen", View.PA),
        ("THORAX-P.A.", View.PA),
        ("Thorax P/A", View.PA),
        ("Postero-Anterior", View.PA),
        ("thorax postéro-antérieur", View.PA),
        ("posterior to anterior", View.PA),
        ("PA frontal", View.PA),
        ("W 1 CHEST AP 14x17", View.AP),
        ("Thorax a.p. liegend", View.AP),
        ("A-P", View.AP),
        ("anteroposterior", View.AP),
        ("LAT", View.LATERAL),
        ("Chest, left lateral", View.LATERAL),
        ("Thorax seitlich", View.LATERAL),
        ("THORAX PROFIL", View.LATERAL),
        ("Tórax perfil", View.LATERAL),
        ("Chest AP/PA, left lateral decubitus", None),
        ("Chest decubitus left", View.LATERAL),
        ("frontal", View.FRONTAL),
        ("Thorax de face", View.FRONTAL),
    ],
)
def test_a_view_is_read(text: str, view: View | None) -> None:
    assert descriptions.view(text) is view


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Chest PA and LAT",
        "CHEST PA/LAT",
        "Chest P/A/LAT",
        "AP or PA",
        "frontal and lateral",
        "PACS",
        "PAINFUL",
        "LATE",
        "plate-like atelectasis",
        "APEX",
        "apical cap",
        "Japan",
        "Spa",
        "bilateral",
        "ipsilaterally",
        "collateral",
        "profile 3",
        "ChestPA",
        "PA catheter",
        "map",
        "lateralization",
        "confrontal",
    ],
)
def test_what_names_no_view_or_two_is_none(text: str) -> None:
    assert descriptions.view(text) is None


@pytest.mark.parametrize(
    ("text", "bedside"),
    [
        ("Chest portable", "portable"),
        ("XR CHEST PORT 1 VW", "portable"),
        ("CHEST_BEDSIDE", "portable"),
        ("Thorax Bettaufnahme", "portable"),
        ("MOBILE CHEST", "portable"),
        ("Thorax au lit", "portable"),
        ("Tórax portátil", "portable"),
        ("Thorax a.p. liegend", "supine"),
        ("SUPINE", "supine"),
        ("portable supine", "supine"),
        ("Thorax couché", "supine"),
        ("décubitus dorsal", "supine"),
        ("Chest PA", ""),
        ("non-portable", ""),
        ("not portable", ""),
        ("port placement", ""),
        ("Port-a-cath check", ""),
        ("better", ""),
        ("report", ""),
        ("support", ""),
        ("embedded", ""),
        ("immobile", ""),
        ("automobile accident", ""),
        ("underlying", ""),
    ],
)
def test_a_film_in_bed_is_recognised(text: str, bedside: str) -> None:
    assert descriptions.bedside(["", text]) == bedside


@pytest.mark.parametrize(
    "text",
    [
        "Bone suppressed",
        "BONE_SUPPRESSION",
        "BoneSuppression",
        "Chest PA soft tissue",
        "SOFT-TISSUE",
        "Dual Energy",
        "energy subtraction",
        "Thorax pa invertiert",
        "inverted",
        "INVERSE",
        "heat map",
        "Inversion",
        "DES bone",
        "gespiegelt",
        "companion view",
        "CAD",
        "ClearRead",
        "Knochensuppression",
        "Weichteilbild",
    ],
)
def test_a_copy_is_recognised_wherever_it_is_said(text: str) -> None:
    assert descriptions.names_copy(text)
    assert descriptions.labels_copy(text)


@pytest.mark.parametrize("text", ["PA enhanced", "Chest edge", "negative", "Négatif"])
def test_some_words_name_a_copy_only_as_a_label(text: str) -> None:
    assert descriptions.labels_copy(text)
    assert not descriptions.names_copy(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Chest PA",
        "negative for fracture",
        "HIV negative",
        "negative pressure",
        "CADAVER",
        "facade",
        "academy",
        "universe",
        "inversion recovery",
        "Chest PA w/o CAD",
        "JPEG 2000 irreversible (lossy) 10:1",
        "G1.2e#1.60-0.10,MCR2.0AN0.4",
        "[CHEST,GENERAL     ]",
        "knowledge",
        "bones",
        "DERIVED",
        "PRIMARY",
    ],
)
def test_what_is_said_of_any_film_is_no_sign_of_a_copy(text: str) -> None:
    assert not descriptions.labels_copy(text)


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        ("BONE", True),
        ("SOFT", True),
        ("SOFT_TISSUE", True),
        ("ENHANCED", True),
        ("ORIGINAL", False),
        ("DERIVED", False),
        ("SECONDARY", False),
        ("RT", False),
        ("150000", False),
        ("BONE AGE", False),
    ],
)
def test_values_of_image_type(value: str, copy: bool) -> None:
    assert descriptions.types_copy(value) is copy


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("Chest PA", {"chest"}),
        ("Röntgen-Thorax", {"chest"}),
        ("Thoraxübersicht", {"chest"}),
        ("Beckenübersicht", {"pelvis"}),
        ("BASSIN", {"pelvis"}),
        ("Hüfte rechts", {"pelvis"}),
        ("Hip", {"pelvis"}),
        ("Pelvis AP", {"pelvis"}),
        ("ABDOMEN", {"abdomen"}),
        ("Chest and abdomen", {"chest", "abdomen"}),
        ("Schädel", {"head"}),
        ("crâne face", {"head"}),
        ("HEAD", {"head"}),
        ("T-SPINE", {"spine"}),
        ("Brustwirbelsäule", {"spine"}),
        ("LWS", {"spine"}),
        ("KNEE LT", {"lower limb"}),
        ("[LOWER LEG         ]", {"lower limb"}),
        ("Hand", {"upper limb"}),
        ("muñeca", {"upper limb"}),
        ("chip", set()),
        ("ship", set()),
        ("handheld", set()),
        ("head first", set()),
        ("head up 30", set()),
        ("C-arm", set()),
        ("legend", set()),
        ("footnote", set()),
        ("philips", set()),
        ("necklace", set()),
        ("Ribs left", set()),
        ("thoracic", set()),
        ("second", set()),
        ("", set()),
    ],
)
def test_parts_of_the_body(text: str, regions: set[str]) -> None:
    assert descriptions.regions(text) == regions


@pytest.mark.parametrize(
    ("text", "animal"),
    [
        ("CANINE LATERAL THORAX 0-15cm", True),
        ("Thorax Hund", True),
        ("CAT", True),
        ("CAT scan", False),
        ("dogma", False),
        ("hundred", False),
        ("concatenated", False),
        ("VET hospital", False),
    ],
)
def test_animals(text: str, animal: bool) -> None:
    assert descriptions.names_animal(text) is animal


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Chest oblique", True),
        ("RAO", True),
        ("AP lordotic", True),
        ("schräg", True),
        ("Chest PA", False),
        ("obligatory", False),
        ("coaxial", False),
    ],
)
def test_other_projections(text: str, other: bool) -> None:
    assert descriptions.names_other_projection(text) is other
