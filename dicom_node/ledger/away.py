"""What to say of a database that does not answer: where it is, and what to look at.

The texts of drivers name users, and now and then hold what was typed in place of one: they are
looked into and never repeated.
"""

from __future__ import annotations

from sqlalchemy import URL

#: Of libpq and PostgreSQL, which give no SQLSTATE to who is not let in. The first that is found.
_SAID = {
    "password authentication failed": "it does not take the user or the password",
    "no password supplied": "it asks for a password (DICOM_NODE_LEDGER__URL)",
    "pg_hba.conf": "it lets this user not in from here, or not without TLS (pg_hba.conf)",
    "does not support SSL": "it has no TLS (sslmode)",
    "root certificate file": "the file of the authority is not there (sslrootcert)",
    "certificate": "its certificate is not accepted (sslrootcert, host name, date)",
    "invalid connection option": "its URL has an option that PostgreSQL does not know",
    "invalid sslmode": "its URL has an sslmode that PostgreSQL does not know",
    "Connection refused": "nobody listens there",
    "resolve host": "its host has no address",
    "translate host": "its host has no address",
    "timeout": "no answer in time",
    "database system is": "it is starting or stopping",
}


def told(url: URL, error: BaseException) -> str:
    """One line without user, password and what was asked."""
    return f"the ledger{_place(url)} does not answer: {_why(error)}"


def _place(url: URL) -> str:
    # SQLAlchemy takes what follows an `@` in a password for a part of the host.
    host = (url.host or "").rpartition("@")[2]
    return f" at {host} port {url.port or 5432}" if host else ""


def _why(error: BaseException) -> str:
    kind = type(error).__name__
    if sqlite := getattr(error, "sqlite_errorname", None):
        return f"{kind}, {sqlite}"
    if getattr(error, "sqlstate", None) is not None:  # psycopg has a type for each
        return kind
    text = str(error)
    return next((why for said, why in _SAID.items() if said in text), kind)
