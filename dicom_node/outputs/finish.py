"""What every object of this project carries, whatever it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from highdicom import sr
from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DT

from dicom_node import equipment
from dicom_node.outputs import codes, source
from dicom_node.outputs.material import Material
from dicom_node.report import Made, Report, Weights

#: What highdicom's constructor wants of the patient and the study: all Type 2, empty here.
_OF_NOBODY: dict[str, Any] = dict.fromkeys(
    (
        "patient_id",
        "patient_name",
        "patient_birth_date",
        "patient_sex",
        "accession_number",
        "study_id",
        "study_date",
        "study_time",
        "referring_physician_name",
    )
)


def series(material: Material, output: str) -> dict[str, Any]:
    """UIDs, numbers and description of an object and its series, as highdicom's constructors
    take them.
    """
    return {
        "series_instance_uid": material.uid(output, "series"),
        "series_number": material.series[output].number,
        "sop_instance_uid": material.uid(output),
        "instance_number": 1,
        "series_description": description(material, output),
    }


def description(material: Material, output: str) -> str:
    """Series Description (0008,103E), with what must be said first."""
    demonstration = material.report.made.weights is Weights.DEMONSTRATION
    kind = equipment.DEMONSTRATION if demonstration else ""
    return equipment.long_string(f"{kind}{material.series[output].description}")


def general_equipment(made: Made) -> dict[str, Any]:
    """General Equipment (PS3.3 C.7.5.1) as highdicom's constructors take it."""
    return {
        "manufacturer": equipment.MANUFACTURER,
        "manufacturer_model_name": equipment.model_name(made),
        "software_versions": equipment.software_versions(made),
        "device_serial_number": equipment.device_uid(made),
    }


def observer(made: Made) -> sr.ObserverContext:
    """Who states what a Structured Report or a selection says: a device (PS3.16 TID 1004)."""
    return sr.ObserverContext(
        observer_type=sr.CodedConcept.from_code(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=equipment.device_uid(made),
            name=equipment.model_name(made),
            manufacturer_name=equipment.MANUFACTURER,
            model_name=equipment.model_name(made),
        ),
    )


def begin(material: Material, output: str, sop_class_uid: str, modality: str) -> Dataset:
    """An object that highdicom has no constructor for, with what stands in every one; it is of
    nobody until :func:`finish`.
    """
    return SOPClass(
        study_instance_uid=material.report.film.study_instance_uid,
        sop_class_uid=sop_class_uid,
        modality=modality,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **_OF_NOBODY,
        **series(material, output),
        **general_equipment(material.report.made),
    )


def finish(dataset: Dataset, report: Report, header: Dataset) -> None:
    """Give a new object the film's identity, the report's time and this project's equipment.

    ``header`` is that of the film.
    """
    when = source.read_at(report, header)
    _set_times(dataset, when)
    item = equipment.contributing_equipment(report.made, when)
    # highdicom's own item, where it made the object, tells the time of day; it stays, with the
    # time of the report.
    libraries = list(dataset.get("ContributingEquipmentSequence") or ())[-1:]
    for library in libraries:
        library.ContributionDateTime = DT(when.strftime("%Y%m%d%H%M%S%z"))
    dataset.ContributingEquipmentSequence = [item, *libraries]
    source.carry_over(header, dataset)


def _set_times(dataset: Dataset, when: datetime) -> None:
    date, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    for keyword in ("InstanceCreation", "Series", "Content"):
        setattr(dataset, f"{keyword}Date", date)
        setattr(dataset, f"{keyword}Time", time)
