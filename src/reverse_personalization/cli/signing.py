"""The options that say with what outputs are signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from reverse_personalization.errors import UsageError

if TYPE_CHECKING:
    from reverse_personalization.media.credentials import Credentials

CERTIFICATE_HELP: Final = (
    "PEM certificates, the signer's first, with which the AI mark is signed as C2PA content credentials."
)
KEY_HELP: Final = "The signer's private key, PEM."


def credentials_of(certificate: Path | None, key: Path | None, *, mark: bool = True) -> Credentials | None:
    """What signs, or None where nothing was given.

    Raises:
        UsageError: only one of both was given, or they cannot sign, or there is no mark to sign.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--c2pa-cert and --c2pa-key: give both, the certificate and its key.")
    if not mark:
        raise UsageError("--c2pa-cert: signs the AI mark; leave out --no-mark.")
    from reverse_personalization.media.credentials import Credentials

    return Credentials(certificate, key).checked()
