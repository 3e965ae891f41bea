"""What a disk says is told apart from a bug of this program."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dicom_node.errors import Unreachable
from dicom_node.spool import Spool
from workers.away import disk_may_be


@pytest.mark.parametrize(
    "number", [errno.EUCLEAN, errno.EBADMSG, errno.EHOSTDOWN, errno.ETIMEDOUT], ids=os.strerror
)
def test_a_disk_that_is_corrupt_or_behind_a_network_that_is_away_is_waited_for(
    tmp_path: Path, number: int
) -> None:
    """As ext4 and XFS say it, and CIFS and NFS of a server that does not answer."""
    told = f"the data folder: {os.strerror(number)}"
    with pytest.raises(Unreachable, match=told), disk_may_be(Spool(tmp_path)):
        raise OSError(number, os.strerror(number), "/a/path")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EISDIR, errno.EINVAL], ids=os.strerror)
def test_what_is_none_of_a_disk_is_no_reason_to_wait(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)), disk_may_be(Spool(tmp_path)):
        raise OSError(number, os.strerror(number), "/a/path")
