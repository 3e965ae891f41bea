"""The truth about drawn films: as JSON for programs, and as a picture for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from dicom_node import phantom_picture, wording
from dicom_node.canvas import QUIET, Line, Mark
from dicom_node.findings_file import shipped
from dicom_node.phantom_films import uid_of
from dicom_node.phantom_picture import Panel
from models.demonstration.truth import FINDINGS
from workers.drawn import PRIOR_DAYS, Drawn, Film, When

#: Raised whenever a key is added or changes its meaning; docs/phantoms.md lists them.
SCHEMA_VERSION = 1
_TITLES = {None: "Phantom", When.PRIOR: "Prior", When.CURRENT: "Current"}


def of_film(drawn: Drawn, film: Film) -> dict[str, object]:
    """What is true of a film, for JSON; docs/phantoms.md lists the keys."""
    phantom, written = film.phantom, film.film
    rows, columns = phantom.grey.shape
    shown = {sign.name for sign in phantom.signs}
    told: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "kind": str(drawn.kind),
        "seed": drawn.seed,
        "film": str(film.when or "only"),
        "dicom": f"{film.name}.dcm",
        "sop_instance_uid": uid_of(written),
        "modality": str(written.modality),
        "photometric_interpretation": str(written.photometric),
        "rows": rows,
        "columns": columns,
        "pixel_spacing_mm": round(phantom.spacing, 4),
        "frontal_chest": phantom.chest,
        "findings": [
            {
                "name": sign.name,
                "site": sign.site,
                "box": asdict(sign.box),
                "extent_mm": round(sign.extent, 1),
            }
            for sign in phantom.signs
        ],
        "absent": [name for name in FINDINGS if name not in shown] if phantom.chest else [],
        "anatomy": {name: asdict(box) for name, box in phantom.anatomy.items()},
    }
    if film.when is When.CURRENT:
        told["prior"] = {
            "sop_instance_uid": uid_of(drawn.films[0].film),
            "days_earlier": PRIOR_DAYS,
            "changes": {name: str(kind) for name, kind in drawn.changes.items()},
        }
    return told


def picture(drawn: Drawn) -> bytes:
    """The films with the true boxes, beside each other, as PNG."""
    return phantom_picture.draw([_panel(drawn, film) for film in drawn.films])


def _panel(drawn: Drawn, film: Film) -> Panel:
    rows, columns = film.phantom.grey.shape
    what = f"{_TITLES[film.when]}, {drawn.kind} {drawn.seed}, {columns} x {rows} pixels"
    return Panel(what, film.phantom.grey, list(_marks(film)), list(_legend(drawn, film)))


def _marks(film: Film) -> Iterator[Mark]:
    for name, box in film.phantom.anatomy.items():
        yield Mark(box, [wording.title(name)], QUIET)
    for number, sign in enumerate(film.phantom.signs, start=1):
        finding = shipped().findings[sign.name]
        yield Mark(sign.box, [f"{number} {wording.title(sign.name)}", sign.site], finding.colour)


def _legend(drawn: Drawn, film: Film) -> Iterator[Line]:
    if not film.phantom.chest:
        yield Line("No frontal chest radiograph: nothing may be read on it.")
        return
    if not film.phantom.signs:
        yield Line("None of the findings that phantoms may show.")
    changes = drawn.changes if film.when is When.CURRENT else {}
    for number, sign in enumerate(film.phantom.signs, start=1):
        parts = [sign.site, f"{sign.extent:.0f} mm"]
        if sign.name in changes:
            parts.append(wording.change(changes[sign.name]))
        colour = shipped().findings[sign.name].colour
        yield Line(f"{number}  {wording.title(sign.name)}: {', '.join(parts)}", colour)
    shown = {sign.name for sign in film.phantom.signs}
    for name, kind in changes.items():
        if name not in shown:
            yield Line(f"-  {wording.title(name)}: {wording.change(kind)}", QUIET)
