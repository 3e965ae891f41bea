"""Whether the archive holds more of a study than has arrived: then it is waited for."""

from __future__ import annotations

import logging

from dicom_node.errors import Rejected, Unreachable
from dicom_node.ledger import completion
from dicom_node.ledger.jobs import Job
from dicom_node.study import Study
from workers.site import Site

log = logging.getLogger(__name__)


def waits_for_more(site: Site, job: Job, study: Study) -> bool:
    """Ask the archive, once for each revision, and let the job wait if it holds more images.

    Counted is what is of the modalities that have arrived, so that reports, segmentations and
    presentation states do not count. An archive that does not answer changes nothing.
    """
    archive = site.archive()
    modalities = {one.modality for one in study.instances if one.modality}
    read = {one for rule in site.configuration.rules for one in rule.modalities}
    if archive is None or not site.settings.completion.ask_archive or not modalities & read:
        return False
    try:
        held = archive.count_images(job.study_instance_uid, modalities)
    except (Unreachable, Rejected) as error:
        completion.asked(site.database, job, 0, f"not counted in the archive: {error}")
        return False
    arrived = completion.images(site.database, job.study_instance_uid)
    if held is not None and held > arrived:
        log.info("the archive holds %d images, %d have arrived", held, arrived)
        if completion.wait_for_more(site.database, job, held, arrived):
            return True
    completion.asked(site.database, job, held or 0, _why_no_longer(held, arrived))
    return False


def _why_no_longer(held: int | None, arrived: int) -> str:
    if held == 0:
        return "the archive has none of it: no more is waited for"
    told = "does not count images" if held is None else f"counts {held} of the {arrived} image(s)"
    return f"nothing more to wait for: the archive {told}"
