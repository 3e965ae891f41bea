"""The boxes as a Grayscale Softcopy Presentation State (PS3.3 A.33.1): marks over the film."""

from __future__ import annotations

from highdicom import pr
from highdicom.color import CIELabColor
from pydicom.dataset import Dataset

from dicom_node.outputs import finish, source
from dicom_node.outputs.gsps import appearance, marks
from dicom_node.outputs.material import Material
from dicom_node.report import Film

_NAME = "AI_MARKS"
_COLOUR = (255, 204, 0)
_WHITE = 0xFFFF  # on a display without colours, as P-Value


def build(material: Material) -> Dataset | None:
    """The presentation state of a report; None when there is no box.

    Under it the film looks as it does without it (see :mod:`dicom_node.outputs.gsps.appearance`).

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report, vocabulary = material.report, material.vocabulary
    if not any(finding.box for finding in report.findings):
        return None
    header = source.read(material.current, report.film)
    film = _evidence(report.film)
    drawn, layer = marks.draw(report, vocabulary), _layer()
    dataset = pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[film],
        content_label=_NAME,
        content_description=finish.description(material, "gsps"),
        graphic_layers=[layer],
        graphic_annotations=[
            pr.GraphicAnnotation(
                [film], layer, graphic_objects=drawn.graphics, text_objects=drawn.texts
            )
        ],
        **finish.series(material, "gsps"),
        **finish.general_equipment(report.made),
    )
    appearance.keep(header, report.film, dataset)
    _name_frame(dataset, source.frames(header, report.film))
    source.state_body_part(header, dataset)
    finish.finish(dataset, report, header)
    for what in ("Date", "Time"):  # in the place of Content Date and Time (C.11.10)
        dataset[f"PresentationCreation{what}"].value = dataset.pop(f"Content{what}").value
    return dataset


def _evidence(film: Film) -> Dataset:
    """What highdicom looks at; how the film looks is none of its concern."""
    header = source.evidence(film)
    header.SamplesPerPixel = 1
    header.SharedFunctionalGroupsSequence = [Dataset()]  # of classes with several frames
    header.PerFrameFunctionalGroupsSequence = [Dataset()]
    return header


def _layer() -> pr.GraphicLayer:
    layer = pr.GraphicLayer(_NAME, order=1, display_color=CIELabColor.from_rgb(*_COLOUR))
    layer.GraphicLayerRecommendedDisplayGrayscaleValue = _WHITE
    return layer


def _name_frame(dataset: Dataset, frames: list[int] | None) -> None:
    """Of an image of several frames the state is that of the one that was read."""
    if frames is None:
        return
    (series,), (annotation,) = dataset.ReferencedSeriesSequence, dataset.GraphicAnnotationSequence
    for holder in (series, annotation):
        holder.ReferencedImageSequence[0].ReferencedFrameNumber = frames
