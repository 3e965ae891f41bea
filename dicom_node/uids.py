"""UIDs derived from what they name, so that the same work makes the same objects."""

from __future__ import annotations

import json
import uuid

#: Namespace of this project's derived UIDs: itself derived, never to be changed.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:dicom-node:uid")


def derived_uid(*parts: object) -> str:
    """A UUID-derived UID (PS3.5 B.2: ``2.25.`` and the UUID as one decimal number).

    The parts are told apart: ``("a", "bc")`` and ``("ab", "c")`` give different UIDs.
    """
    name = json.dumps([str(part) for part in parts], ensure_ascii=False)
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
