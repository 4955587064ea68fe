"""C2PA content credentials: who vouches, with a certificate, that a picture was composed with AI.

The manifest holds one action with IPTC's digital source type and the program's name: no thumbnail and no ingredient,
which would show the original. Signing asks nobody: no time stamp server, no revocation list; reading fetches nothing.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

from PIL import Image

from reverse_personalization.errors import InputError, OutputError, UsageError
from reverse_personalization.media.formats import output_format
from reverse_personalization.media.marking import DIGITAL_SOURCE_TYPE
from reverse_personalization.version import DISTRIBUTION, tool_version

EXTRA_HINT: Final = "pip install 'reverse-personalization[c2pa]'"
MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
}
VIDEO_MEDIA_TYPES: Final = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
READ_MEDIA_TYPES: Final = {**VIDEO_MEDIA_TYPES, ".gif": "image/gif", ".avi": "video/avi"}

_OFFLINE: Final[Mapping[str, Any]] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
_ACTION: Final = {"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}


@dataclass(frozen=True)
class Credentials:
    """What signs: a certificate chain, the signer's first, and the signer's key, both PEM files.

    Raises:
        UsageError: from `checked`, where they cannot sign.
    """

    certificate: Path
    key: Path

    def checked(self) -> Credentials:
        """Itself, after signing a blank picture, so that errors come before the work and not after it."""
        require_c2pa()
        blank = io.BytesIO()
        Image.new("RGB", (8, 8)).save(blank, "PNG")
        try:
            self.sign(blank, io.BytesIO(), "image/png")
        except OutputError as error:
            raise UsageError(f"{self.certificate}: cannot sign: {error}") from error
        return self

    def sign(self, source: IO[bytes], target: IO[bytes], media_type: str) -> None:
        """Copy a file, with credentials in it.

        Args:
            source: a file of `media_type`, from its beginning.
            target: where it goes; readable, too.
            media_type: one of those in `MEDIA_TYPES` and `VIDEO_MEDIA_TYPES`.

        Raises:
            UsageError: the certificate or the key cannot be used.
            OutputError: the file could not be signed.
        """
        import c2pa

        source.seek(0)
        try:
            builder = c2pa.Builder(_manifest(), c2pa.Context.from_dict(dict(_OFFLINE)))
            builder.sign(c2pa.Signer.from_info(self._signer), media_type, source, target)
        except c2pa.C2paError as error:
            raise OutputError(f"content credentials could not be written ({_reason(error)}).") from error

    def signed(self, content: bytes, media_type: str) -> bytes:
        """A file's bytes with credentials in them; raises as `sign` does."""
        target = io.BytesIO()
        self.sign(io.BytesIO(content), target, media_type)
        return target.getvalue()

    def sign_file(self, path: Path) -> None:
        """Put credentials into a file, whole or not at all; raises as `sign` does."""
        partial = path.with_name(f".revpers-{secrets.token_hex(8)}.tmp")
        try:
            with path.open("rb") as source, partial.open("x+b") as target:
                self.sign(source, target, media_type(path))
                target.flush()
                os.fsync(target.fileno())
            partial.replace(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be signed ({(error.strerror or 'unknown').lower()}).") from error
        finally:
            partial.unlink(missing_ok=True)

    @cached_property
    def _signer(self) -> Any:
        import c2pa

        chain, key = _read(self.certificate), _read(self.key)
        algorithm = getattr(c2pa.C2paSigningAlg, _algorithm(self.certificate, chain, self.key, key))
        # Without an address, no time stamp server is asked.
        return c2pa.C2paSignerInfo(alg=algorithm, sign_cert=chain, private_key=key, ta_url=None)

    def __getstate__(self) -> dict[str, Any]:
        """Without the key itself, so that it is never sent to another process."""
        return {"certificate": self.certificate, "key": self.key}


@dataclass(frozen=True)
class CredentialsFound:
    """Credentials that a file carries.

    Attributes:
        state: trusted: valid, by a signer whom a given authority vouches for; valid: nothing was changed since it was
            signed, but nobody vouches for the signer; invalid: the file was changed, or the signature is broken;
            remote: they lie at an address, which was not asked.
        signer: common name and organisation in the certificate, as far as they are there.
        digital_source_type: that of the first action that states one.
        problems: codes of what is wrong, as the C2PA specification names them.
    """

    state: str
    signer: str
    digital_source_type: str | None
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the file is as it was signed."""
        return self.state in ("valid", "trusted")


def require_c2pa() -> None:
    """Raise UsageError where the extra is not installed."""
    if missing := [name for name in ("c2pa", "cryptography") if find_spec(name) is None]:
        raise UsageError(f"Content credentials need {missing[0]}: {EXTRA_HINT}.")


def can_be_signed(path: Path) -> bool:
    """Whether a file of this name can carry content credentials (BMP, MKV and WebM cannot)."""
    return path.suffix.lower() in VIDEO_MEDIA_TYPES or _photo_type(path) is not None


def media_type(path: Path) -> str:
    """The media type of a file that can carry credentials.

    Raises:
        OutputError: it cannot.
    """
    kind = VIDEO_MEDIA_TYPES.get(path.suffix.lower()) or _photo_type(path)
    if kind is None:
        raise OutputError(
            f"{path}: {path.suffix} files cannot carry content credentials; end the name in .png or .mp4."
        )
    return kind


def read_credentials(path: Path, *, trust: Path | None = None) -> CredentialsFound | None:
    """The credentials that a file carries, validated without network, or None.

    Args:
        path: the file.
        trust: a PEM file of the authorities that are trusted; without it, nobody is.

    Raises:
        InputError: the file cannot be read.
        UsageError: the extra is not installed.
    """
    require_c2pa()
    import c2pa

    kind = READ_MEDIA_TYPES.get(path.suffix.lower()) or _photo_type(path)
    if kind is None:
        return None
    anchors = {} if trust is None else {"trust": {"user_anchors": _read(trust).decode(errors="replace")}}
    try:
        with path.open("rb") as file:
            context = c2pa.Context.from_dict({**_OFFLINE, **anchors})
            reader = c2pa.Reader.try_create(kind, file, context=context)
            return None if reader is None or not reader.is_embedded() else _found(json.loads(reader.json()))
    except c2pa.C2paError as error:
        if str(error).startswith("Remote"):
            return CredentialsFound("remote", "", None, ())
        raise InputError(f"{path}: its content credentials cannot be read ({_reason(error)}).") from error


def _manifest() -> dict[str, Any]:
    return {
        "claim_generator_info": [{"name": DISTRIBUTION, "version": tool_version()}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [_ACTION]}}],
    }


def _found(store: dict[str, Any]) -> CredentialsFound:
    manifest = store["manifests"].get(store.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    actions = [
        action
        for assertion in manifest.get("assertions", ())
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", ())
    ]
    codes = tuple(dict.fromkeys(str(status.get("code")) for status in store.get("validation_status", ())))
    return CredentialsFound(
        state=str(store.get("validation_state", "Invalid")).lower(),
        signer=", ".join(str(signature[name]) for name in ("common_name", "issuer") if signature.get(name)),
        digital_source_type=next((a["digitalSourceType"] for a in actions if a.get("digitalSourceType")), None),
        problems=codes,
    )


def _photo_type(path: Path) -> str | None:
    try:
        return MEDIA_TYPES.get(output_format(path).name)
    except OutputError:
        return None


def _algorithm(certificate: Path, chain: bytes, key_file: Path, key: bytes) -> str:
    """The name of the signature algorithm that fits a key, which must be the certificate's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        first = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise UsageError(f"{certificate}: holds no certificate; give a PEM file, the signer's first.") from None
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise UsageError(f"{key_file}: is locked by a passphrase; give a key without one.") from None
    except ValueError:
        raise UsageError(f"{key_file}: holds no private key; give a PEM file.") from None
    if private.public_key() != first.public_key():
        raise UsageError(f"{key_file}: is not the key of {certificate}; give the one that belongs to it.")
    known = {ec.SECP256R1: "ES256", ec.SECP384R1: "ES384", ec.SECP521R1: "ES512"}
    if isinstance(private, ec.EllipticCurvePrivateKey) and type(private.curve) in known:
        return known[type(private.curve)]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ED25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "PS256"
    raise UsageError(f"{key_file}: C2PA knows keys of P-256, P-384, P-521, Ed25519 and RSA; give one of those.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({(error.strerror or 'unknown').lower()}); check the name.") from None


def _reason(error: Exception) -> str:
    """The library's own words, which begin with the name of the kind of error."""
    return str(error).rpartition(": ")[2].strip().rstrip(".") or type(error).__name__
