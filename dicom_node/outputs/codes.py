"""The fixed codes of what is written, each as the DICOM standard has it."""

from __future__ import annotations

from pydicom import uid
from pydicom.sr.coding import Code as Concept

from dicom_node.report import ChangeKind, Presence
from dicom_node.study import View
from dicom_node.vocabulary import Code, Laterality

ARTIFICIAL_INTELLIGENCE = Concept("123110", "DCM", "Artificial Intelligence")
DEVICE = Concept("121007", "DCM", "Device")
IMAGING_MEASUREMENT_REPORT = Concept("126000", "DCM", "Imaging Measurement Report")
DIAGNOSTIC_IMAGING_REPORT = Concept("18748-4", "LN", "Diagnostic Imaging Report")
IMAGING_MEASUREMENTS = Concept("126010", "DCM", "Imaging Measurements")
FINDINGS = Concept("121070", "DCM", "Findings")
IMAGING_PROCEDURE = Concept("363679005", "SCT", "Imaging procedure")
FINDING = Concept("121071", "DCM", "Finding")
CERTAINTY = Concept("111012", "DCM", "Certainty of Finding")
PROBABILITY = Concept("122157", "DCM", "Probability")
PERCENT = Concept("%", "UCUM", "Percent")
DIFFERENCE = Concept("111049", "DCM", "Qualitative Difference")
PRESENCE_OF_PROPERTY = Concept("121052", "DCM", "Presence of property")
COMMENT = Concept("121106", "DCM", "Comment")
QUALITATIVE_EVALUATIONS = Concept("C0034375", "UMLS", "Qualitative Evaluations")
SUMMARY = Concept("111017", "DCM", "CAD Processing and Findings Summary")
DETECTIONS = Concept("111064", "DCM", "Summary of Detections")
SUCCEEDED = Concept("111222", "DCM", "Succeeded")
PARTIALLY_SUCCEEDED = Concept("111223", "DCM", "Partially Succeeded")
FAILED = Concept("111224", "DCM", "Failed")
NOT_ATTEMPTED = Concept("111225", "DCM", "Not Attempted")
QUALITY_FINDING = Concept("111052", "DCM", "Quality Finding")
OTHER_FAILURE = Concept("111220", "DCM", "Other failure")
TRACKING_UID = Concept("112040", "DCM", "Tracking Unique Identifier")
STUDY_UID = Concept("110180", "DCM", "Study Instance UID")
OFFSET = Concept("128740", "DCM", "Longitudinal Temporal Offset from Event")
EVENT_TYPE = Concept("128741", "DCM", "Longitudinal Temporal Event Type")
DAY = Concept("d", "UCUM", "day")
BOUNDED_BY = Concept("75958009", "SCT", "Bounded by")
PHYSICAL_OBJECT = Concept("260787004", "SCT", "Physical object")
MORPHOLOGICALLY_ABNORMAL = Concept("49755003", "SCT", "Morphologically Abnormal Structure")
SOURCE_IMAGE = Concept("121322", "DCM", "Source image for image processing operation")

#: Titles of Key Object Selections (CID 7010).
OF_INTEREST = Concept("113000", "DCM", "Of Interest")
REJECTED_QUALITY = Concept("113001", "DCM", "Rejected for Quality Reasons")
REJECTED_SAFETY = Concept("113037", "DCM", "Rejected for Patient Safety Reasons")

IMAGE_LIBRARY = Concept("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Concept("126200", "DCM", "Image Library Group")
SOURCE = Concept("260753009", "SCT", "Source")
ORIGINAL_SOURCE = Concept("111040", "DCM", "Original Source")
MODALITY_NAME = Concept("121139", "DCM", "Modality")
ACQUISITION_DATE = Concept("126201", "DCM", "Acquisition Date")
ACQUISITION_TIME = Concept("126202", "DCM", "Acquisition Time")
PIXEL_ROWS = Concept("110910", "DCM", "Pixel Data Rows")
PIXEL_COLUMNS = Concept("110911", "DCM", "Pixel Data Columns")
PIXELS = Concept("{pixels}", "UCUM", "Pixels")
IMAGE_VIEW = Concept("111031", "DCM", "Image View")
ORIENTATION_ROW = Concept("111044", "DCM", "Patient Orientation Row")
ORIENTATION_COLUMN = Concept("111043", "DCM", "Patient Orientation Column")

MODALITY: dict[str, Concept] = {
    uid.ComputedRadiographyImageStorage: Concept("CR", "DCM", "Computed Radiography"),
    uid.DigitalXRayImageStorageForPresentation: Concept("DX", "DCM", "Digital Radiography"),
    uid.DigitalXRayImageStorageForProcessing: Concept("DX", "DCM", "Digital Radiography"),
}
#: CID 4010. A view that is not here is not stated.
VIEW = {
    View.PA: Concept("272479007", "SCT", "postero-anterior"),
    View.AP: Concept("399348003", "SCT", "antero-posterior"),
    View.FRONTAL: Concept("399033003", "SCT", "frontal"),
    View.LATERAL: Concept("399067008", "SCT", "lateral"),
}
PRESENCE = {
    Presence.PRESENT: Concept("52101004", "SCT", "Present"),
    Presence.ABSENT: Concept("272519000", "SCT", "Absent"),
}
LATERALITY = {
    Laterality.RIGHT: Concept("24028007", "SCT", "Right"),
    Laterality.LEFT: Concept("7771000", "SCT", "Left"),
    Laterality.BILATERAL: Concept("51440002", "SCT", "Bilateral"),
}
CHANGE = {
    ChangeKind.IMPROVED: Concept("385425000", "SCT", "Improved"),
    ChangeKind.STABLE: Concept("58158008", "SCT", "Stable"),
    ChangeKind.WORSENED: Concept("230993007", "SCT", "Worsening"),
    ChangeKind.NEW: Concept("7147002", "SCT", "New"),
    ChangeKind.RESOLVED: Concept("413322009", "SCT", "Problem resolved"),
    ChangeKind.NOT_COMPARABLE: Concept("373068000", "SCT", "Undetermined"),
}
#: (every question answered?, something found?)
OUTCOME = {
    (True, False): Concept("111241", "DCM", "All algorithms succeeded; without findings"),
    (True, True): Concept("111242", "DCM", "All algorithms succeeded; with findings"),
    (False, False): Concept("111243", "DCM", "Not all algorithms succeeded; without findings"),
    (False, True): Concept("111244", "DCM", "Not all algorithms succeeded; with findings"),
}
NONE_SUCCEEDED = Concept("111245", "DCM", "No algorithms succeeded; without findings")


def concept(code: Code) -> Concept:
    """A code of ``findings.yaml`` as the library takes it."""
    return Concept(code.value, code.scheme, code.meaning)
