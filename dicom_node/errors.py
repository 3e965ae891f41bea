"""What can go wrong, as types: the type decides what happens to a study.

::

    NodeError
    ├── Misconfigured   nothing starts: one line with file, place and what to write instead; a
    │                   study that meets it is due again, for it is not the study's fault
    ├── NotForUs        the study ends as ``refused``, with the rule or reason
    ├── BadStudy        the study ends as ``failed``: what arrived cannot be read
    │   └── Gone        what arrived was here; an earlier study is then fetched again
    ├── BadAnswer       the study ends as ``failed``: what the model said cannot be used
    ├── Rejected        the delivery ends as ``failed``: the peer said no for good
    └── Unreachable     due again, later and later: a peer or a disk is away for now

Anything else that is raised is a bug and fails loudly. The text of a :class:`NodeError` reaches
logs and the ledger, so it never holds a name, an ID, a birth date, an accession number or an
address; it says what is wrong, where, and what to do.
"""

from __future__ import annotations


class NodeError(Exception):
    """Base of every failure that this project foresees."""


class Misconfigured(NodeError):
    """The configuration or the command line cannot be used as written."""


class NotForUs(NodeError):
    """The study is well formed, but no rule reads it."""


class BadStudy(NodeError):
    """What arrived breaks an assumption that reading needs."""


class Gone(BadStudy):
    """A file that was here is not any more."""


class BadAnswer(NodeError):
    """What the model answered does not parse or does not pass the checks."""


class Rejected(NodeError):
    """A peer refused for a reason that trying again cannot mend."""


class Unreachable(NodeError):
    """A peer, a broker or a disk does not answer now; trying again may help."""
