from __future__ import annotations

import subprocess
import sys

BLOCKED = """
import sys
for name in ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub"):
    sys.modules[name] = None
import models.demonstration.drawing.phantoms
import models.demonstration.ranges
import models.demonstration.truth
import models.read
from models.engines import ENGINES
from models.prepare import PREPARE
from models.questions import QUESTIONS
print(*ENGINES, *PREPARE, *QUESTIONS)
"""


def test_names_are_known_where_torch_is_not_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = (
        "transformers demonstration chest_radiograph "
        "suitability presence location site change description"
    )
    assert done.stdout.split() == names.split()
