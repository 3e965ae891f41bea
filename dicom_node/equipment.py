"""This project as a device: what stands in Contributing Equipment of everything it makes.

The values have to agree wherever they stand (IHE AIR 6.5.3.1): Contributing Equipment, General
Equipment, the SR's device observer (TID 1004) and its algorithm identification (TID 4019).
"""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.valuerep import DT

from dicom_node.report import Made, Weights
from dicom_node.uids import derived_uid

#: Manufacturer (0008,0070), by which objects of this project are known again.
MANUFACTURER = "dicom-node"

#: Longest value of VR LO (PS3.5 6.2), characters.
LONG_STRING = 64
#: Stands before every description of what the demonstration weights made.
DEMONSTRATION = "DEMONSTRATION - "
_DIGEST_SHOWN = 16


def device_uid(made: Made) -> str:
    """Device UID (0018,1002): another one whenever weights, questions, vocabulary or software
    differ.
    """
    return derived_uid(
        "device",
        made.software_version,
        made.engine,
        made.model,
        made.weights,
        made.weights_digest,
        made.vocabulary_digest,
        *(f"{name}={version}" for name, version in made.questions),
    )


def model_name(made: Made) -> str:
    """Manufacturer's Model Name (0008,1090), also the name of the algorithm; LO."""
    kind = {Weights.MODEL: "", Weights.DEMONSTRATION: "DEMONSTRATION "}[made.weights]
    return long_string(f"{kind}{made.model}")


def software_versions(made: Made) -> str:
    """Software Versions (0018,1020), also the version of the algorithm: software and weights."""
    digest = made.weights_digest.removeprefix("sha256:")[:_DIGEST_SHOWN]
    return long_string(f"{made.software_version} weights {digest}")


def contributing_equipment(made: Made, contributed: datetime) -> Dataset:
    """One item of Contributing Equipment Sequence (0018,A001), with Device UID.

    Args:
        made: what read the study.
        contributed: Contribution DateTime (0018,A002), with a time zone.
    """
    purpose = Dataset()
    purpose.CodeValue = "109102"
    purpose.CodingSchemeDesignator = "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = model_name(made)
    item.SoftwareVersions = software_versions(made)
    item.DeviceUID = device_uid(made)
    item.ContributionDateTime = DT(contributed.strftime("%Y%m%d%H%M%S%z"))
    item.ContributionDescription = "AI read the study; nobody verified the result"
    return item


def made_by_this_project(dataset: Dataset) -> bool:
    """Whether an object is a result of this project, of whatever version: such are never read.

    Only Contributing Equipment Sequence (0018,A001) is looked at; archives keep it.
    """
    for item in dataset.get("ContributingEquipmentSequence") or ():
        purposes = item.get("PurposeOfReferenceCodeSequence") or ()
        processing = any(purpose.get("CodeValue") == "109102" for purpose in purposes)
        if processing and item.get("Manufacturer") == MANUFACTURER and item.get("DeviceUID"):
            return True
    return False


def long_string(text: str) -> str:
    """A text as a value of VR LO: no backslash, plain ASCII, at most 64 characters."""
    return plain(text).replace("\\", "/")[:LONG_STRING].strip()


def plain(text: str) -> str:
    """A text of ours in ASCII: objects are written in the character set of the film."""
    dashes = str.maketrans({"\u2013": "-", "\u2014": "-", "\u2019": "'"})
    return text.translate(dashes).encode("ascii", "replace").decode("ascii")
