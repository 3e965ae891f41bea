"""``python -m workers`` is ``dicom-node``."""

from workers.cli import main

main()
