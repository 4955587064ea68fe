"""A certificate chain made for these tests: a root that nobody knows, and a signer whom it vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MAKERS: dict[str, Any] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
}
USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")


@dataclass(frozen=True)
class Chain:
    """Paths of PEM files."""

    certificate: Path
    key: Path
    root: Path


def make_chain(folder: Path, *, kind: str = "P-256", days: float = 30, passphrase: bytes | None = None) -> Chain:
    """Write a chain that has been valid since an hour ago."""
    folder.mkdir(parents=True, exist_ok=True)
    chain = Chain(folder / "signer.pem", folder / "signer.key", folder / "root.pem")
    authority, signer = MAKERS["P-256"](), MAKERS[kind]()
    root = _certificate("Nobody's Root", authority, authority, days=days, ca=True)
    leaf = _certificate("Nobody's Studio", signer, authority, days=days, ca=False)
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    chain.certificate.write_bytes(leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    chain.key.write_bytes(signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    chain.root.write_bytes(root.public_bytes(Encoding.PEM))
    return chain


def _certificate(name: str, key: Any, authority: Any, *, days: float, ca: bool) -> x509.Certificate:
    start = datetime.now(UTC) - timedelta(days=max(0.0, -days) + 1)
    uses = dict.fromkeys(USES, False) | {"digital_signature": True, "encipher_only": False, "decipher_only": False}
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Nobody's Root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.KeyUsage(**uses, key_cert_sign=ca, crl_sign=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(authority, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Nobody Ltd"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
