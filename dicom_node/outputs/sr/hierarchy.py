"""References to objects, by study and series."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from pydicom.dataset import Dataset

from dicom_node.outputs.material import Reference


def by_study(references: Sequence[Reference]) -> list[Dataset]:
    """Items of the Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1), one a study."""
    key = attrgetter("study_instance_uid", "series_instance_uid", "sop_instance_uid")
    studies = []
    for uid, of_study in groupby(
        sorted(set(references), key=key), attrgetter("study_instance_uid")
    ):
        study = Dataset()
        study.StudyInstanceUID = uid
        study.ReferencedSeriesSequence = [
            _series(uid, list(of_series))
            for uid, of_series in groupby(of_study, attrgetter("series_instance_uid"))
        ]
        studies.append(study)
    return studies


def _series(uid: str, references: list[Reference]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = uid
    series.ReferencedSOPSequence = [_instance(one) for one in references]
    return series


def _instance(reference: Reference) -> Dataset:
    instance = Dataset()
    instance.ReferencedSOPClassUID = reference.sop_class_uid
    instance.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return instance
