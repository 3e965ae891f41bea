"""What answers, by the name that ``node.yaml`` gives it. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.engines.base import Engine, EngineOptions
from models.engines.demonstration import look as _look_demonstration
from models.engines.demonstration import open_engine as _open_demonstration
from models.engines.transformers import look as _look_transformers
from models.engines.transformers import open_engine as _open_transformers

ENGINES: Mapping[str, Callable[[EngineOptions], Engine]] = {
    "transformers": _open_transformers,
    "demonstration": _open_demonstration,
}

#: What can be said of each without opening it; raises what opening would raise.
LOOKS: Mapping[str, Callable[[EngineOptions], None]] = {
    "transformers": _look_transformers,
    "demonstration": _look_demonstration,
}
