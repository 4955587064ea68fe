"""The six systems that the paper compares with, run by their own programs in their own environments."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reverse_personalization.bench import driver
from reverse_personalization.bench.methods import Command, Method, Precomputed
from reverse_personalization.errors import InputError, UsageError


@dataclass(frozen=True)
class Adapter:
    """How a system is run.

    Attributes:
        name: for `--adapter`.
        repository: its official code, on GitHub.
        licence: of the code.
        weights: where they are, as last seen, and under which terms.
        given: what `--adapter NAME=...` takes.
        know: traps.
        make: the method, from what was given and from the environment's Python.
    """

    name: str
    repository: str
    licence: str
    weights: str
    given: str
    know: str
    make: Callable[[str, Path, str], Method]


def make_adapter(name: str, given: str) -> Method:
    """A method from a system's name and PATH or PATH,PYTHON.

    Raises:
        UsageError: there is no such system.
        InputError: the path is not there.
    """
    path, _, python = given.partition(",")
    if name not in ADAPTERS or not path:
        raise UsageError(
            f"--adapter {name}={given}: should be one of {', '.join(ADAPTERS)}, as in deepprivacy2=CHECKOUT,PYTHON."
        )
    adapter = ADAPTERS[name]
    if not Path(path).exists():
        raise InputError(f"{path}: is not there; --adapter {name} takes {adapter.given}.")
    return adapter.make(name, Path(path), python or sys.executable)


def _by_function(name: str, wrapper: Path, python: str) -> Method:
    parts = (python, driver.__file__, str(wrapper.resolve()))
    return Command(name, f"{shlex.join(parts)} {{in_dir}} {{out_dir}}")


def _by_folder(name: str, folder: Path, python: str) -> Method:
    del python
    return Precomputed(name, folder)


def _deep_privacy2(name: str, checkout: Path, python: str) -> Method:
    root = checkout.resolve()
    parts = (python, str(root / "anonymize.py"), str(root / "configs" / "anonymizers" / "face.py"))
    return Command(name, f"{shlex.join(parts)} -i {{in_dir}} --output_path {{out_dir}}", folder=root)


_WRAPPER: Final = "a Python file with anonymize(image) around its function, and the Python of its environment"
_OUTPUTS: Final = "the folder of its outputs, with the photos' stems"
ADAPTERS: Final = {
    adapter.name: adapter
    for adapter in (
        Adapter(
            "nullface",
            "hanweikung/nullface",
            "AGPL-3.0",
            "Stable Diffusion 1.5, IP-Adapter-FaceID, buffalo_l (non-commercial research) from their hubs",
            _WRAPPER,
            "returns nothing where it finds no face; a copy of the source is a failure here",
            _by_function,
        ),
        Adapter(
            "fams",
            "hanweikung/face_anon_simple",
            "AGPL-3.0",
            "hkung/face-anon-simple on the hub; its Stable Diffusion 2.1 parts left the hub, a mirror must be named",
            _WRAPPER,
            "512 pixels only; state the degree (1.25 is its default) and the mirror",
            _by_function,
        ),
        Adapter(
            "falco",
            "chi0tzp/FALCO",
            "Apache-2.0",
            "its download_models.py, about 3.5 GB",
            _OUTPUTS,
            "works on whole data sets at 1024 pixels; state the margin, which its table leaves open",
            _by_folder,
        ),
        Adapter(
            "riddle",
            "ldz666666/RiDDLE",
            "no licence file",
            "links in its issue 16",
            _OUTPUTS,
            "256 pixels, aligned; wants e4e latents of 14 x 512",
            _by_folder,
        ),
        Adapter(
            "ldfa",
            "KIT-MRT/latent_diffusion_face_anonymization",
            "MIT",
            "the inpainting model that it fetched left the hub; state what was used instead",
            _OUTPUTS,
            "folder to masks to folder, over a diffusion server",
            _by_folder,
        ),
        Adapter(
            "deepprivacy2",
            "hukkelas/deep_privacy2",
            "Apache-2.0; weights under their data sets' terms",
            "the links in its code are dead; a copy lies in the demo space haakohu/deep_privacy2_face",
            "a checkout of its repository, and the Python of its environment",
            "works on whole photos; the face model is configs/anonymizers/face.py",
            _deep_privacy2,
        ),
    )
}
