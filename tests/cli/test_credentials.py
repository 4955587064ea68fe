"""C2PA content credentials, signed with a chain made here, through the command and back."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
pytest.importorskip("cryptography", reason="the extra c2pa is not installed")

import c2pa

from certificates import MAKERS, Chain, make_chain
from reverse_personalization.errors import UsageError
from reverse_personalization.media.credentials import MEDIA_TYPES, Credentials, read_credentials

Revpers = Callable[..., Any]
Photos = Callable[..., None]
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("chain"))


def signing(chain: Chain) -> tuple[str, ...]:
    return "--c2pa-cert", str(chain.certificate), "--c2pa-key", str(chain.key)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "heic"])
def test_signed_and_read_back(revpers: Revpers, photos: Photos, chain: Chain, suffix: str) -> None:
    photos("a.png")
    output = f"new.{suffix}"
    assert revpers("anonymize", "a.png", "-o", output, *signing(chain)).code == 0
    assert json.loads(Path(f"{output}.json").read_bytes())["output"]["credentials"] is True
    ran = revpers("inspect", output, "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["record"], told["digital_source_type"]) == (0, "matches", COMPOSITE)
    found = told["credentials"]
    assert (found["state"], found["digital_source_type"]) == ("valid", COMPOSITE)
    assert found["signer"] == "Nobody's Studio, Nobody Ltd"
    assert found["problems"] == ["signingCredential.untrusted"]
    trusted = json.loads(revpers("inspect", output, "--json", "--c2pa-trust", chain.root).out)["credentials"]
    assert (trusted["state"], trusted["problems"]) == ("trusted", [])
    assert "trusted, compositeWithTrainedAlgorithmicMedia, signed by Nobody's Studio" in (
        revpers("inspect", output, "--c2pa-trust", chain.root).out
    )


def test_pixels_stay_and_nothing_of_the_original_is_inside(revpers: Revpers, photos: Photos, chain: Chain) -> None:
    photos("secret-name.png")
    assert revpers("anonymize", "secret-name.png", "-o", "plain.jpg").code == 0
    assert revpers("anonymize", "secret-name.png", "-o", "signed.jpg", *signing(chain)).code == 0
    with Image.open("plain.jpg") as plain, Image.open("signed.jpg") as signed:
        assert plain.tobytes() == signed.tobytes()
    with Path("signed.jpg").open("rb") as file:
        store = json.loads(c2pa.Reader("image/jpeg", file).detailed_json())
    assert len(store["manifests"]) == 1
    (manifest,) = store["manifests"].values()
    assert set(manifest["assertion_store"]) == {"c2pa.actions.v2", "c2pa.hash.data"}
    assert "thumbnail" not in json.dumps(store)
    assert "ingredient" not in json.dumps(store)
    content = Path("signed.jpg").read_bytes()
    assert b"secret-name" not in content
    assert content.count(b"\xff\xd8\xff") == 1


def test_a_changed_file_is_not_sound(revpers: Revpers, photos: Photos, chain: Chain) -> None:
    photos("a.png")
    assert revpers("anonymize", "a.png", "-o", "new.png", *signing(chain)).code == 0
    signed = bytearray(Path("new.png").read_bytes())
    at = signed.index(b"IDAT") + 20
    signed[at] ^= 1
    Path("new.png").write_bytes(signed)
    found = read_credentials(Path("new.png"))
    assert found is not None
    assert found.state == "invalid"
    assert not found.is_sound
    assert "assertion.dataHash.mismatch" in found.problems


@pytest.mark.parametrize("kind", [kind for kind in MAKERS if kind != "secp256k1"])
def test_every_kind_of_key(tmp_path: Path, kind: str) -> None:
    chain = make_chain(tmp_path, kind=kind)
    Credentials(chain.certificate, chain.key).checked()


def test_what_cannot_sign_is_said_before_the_work(
    revpers: Revpers, photos: Photos, files: Any, chain: Chain, tmp_path: Path
) -> None:
    photos("a.png")
    other, locked = make_chain(tmp_path / "other"), make_chain(tmp_path / "locked", passphrase=b"word")
    stale, odd = make_chain(tmp_path / "stale", days=-1), make_chain(tmp_path / "odd", kind="secp256k1")
    before = files()
    pairs = (
        (chain.certificate, other.key, "is not the key of"),
        (locked.certificate, locked.key, "passphrase"),
        (stale.certificate, stale.key, "cannot sign"),
        (odd.certificate, odd.key, "C2PA knows keys of"),
        (chain.root, chain.key, "is not the key of"),
        (chain.key, chain.key, "holds no certificate"),
        (chain.certificate, chain.certificate, "holds no private key"),
        (tmp_path / "none.pem", chain.key, "no such file"),
    )
    for certificate, key, words in pairs:
        ran = revpers("anonymize", "a.png", "-o", "new.png", "--c2pa-cert", certificate, "--c2pa-key", key)
        assert (ran.code, ran.out) == (2, "")
        assert words in ran.err
        assert len(ran.err.splitlines()) == 1
    assert revpers("anonymize", "a.png", "-o", "new.png", "--c2pa-cert", chain.certificate).code == 2
    assert revpers("anonymize", "a.png", "-o", "new.png", "--no-mark", *signing(chain)).code == 2
    assert files() == before


def test_what_cannot_carry_credentials_says_so(revpers: Revpers, photos: Photos, chain: Chain) -> None:
    photos("a.png")
    assert revpers("anonymize", "a.png", "-o", "new.bmp", *signing(chain)).code == 0
    assert json.loads(Path("new.bmp.json").read_bytes())["output"]["credentials"] is False


def test_resume_signs_what_is_not_signed_yet(revpers: Revpers, photos: Photos, chain: Chain) -> None:
    photos("a.png")
    assert revpers("anonymize", "a.png", "-o", "new.png").code == 0
    assert "1 done" in revpers("anonymize", "a.png", "-o", "new.png", "--resume", *signing(chain)).err
    assert "1 done" not in revpers("anonymize", "a.png", "-o", "new.png", "--resume", *signing(chain)).err
    assert read_credentials(Path("new.png")) is not None


def test_a_key_is_never_sent_to_another_process(chain: Chain) -> None:
    import pickle

    credentials = Credentials(chain.certificate, chain.key).checked()
    secret = chain.key.read_bytes().splitlines()[1]
    assert secret not in pickle.dumps(credentials)
    assert pickle.loads(pickle.dumps(credentials)) == credentials  # noqa: S301


def test_reading_asks_nobody(tmp_path: Path) -> None:
    """A picture that names a remote manifest, as anybody's may."""
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" '
        f'dcterms:provenance="http://127.0.0.1:{server.server_port}/manifest.c2pa"/></rdf:RDF></x:xmpmeta>'
    )
    path = tmp_path / "remote.jpg"
    Image.new("RGB", (32, 32)).save(path, xmp=packet.encode())
    try:
        found = read_credentials(path)
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []
    assert found is not None
    assert (found.state, found.is_sound) == ("remote", False)


def test_media_types_are_those_that_the_library_signs() -> None:
    assert set(MEDIA_TYPES.values()) <= set(c2pa.Builder.get_supported_mime_types())


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, chain: Chain) -> None:
    monkeypatch.setattr("reverse_personalization.media.credentials.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'reverse-personalization\[c2pa\]'"):
        Credentials(chain.certificate, chain.key).checked()
