"""`revpers doctor`: what is installed, which models are here, what is missing and how to get it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from reverse_personalization import weights
from reverse_personalization.errors import WeightsError
from reverse_personalization.plugins import Plugin, plugins
from reverse_personalization.version import DISTRIBUTION, tool_version

if TYPE_CHECKING:
    from rich.table import Table

State = Literal["ok", "missing", "broken", "wrong version"]

DEFAULT_ENGINE: Final = "compact"
_IMPORT_TIMEOUT: Final = 60
# Printed by a process of its own, since a binary that does not suit the processor takes its process down.
_IMPORT: Final = """\
import importlib, sys
importlib.import_module(sys.argv[1])
print(getattr(sys.modules[sys.argv[1].partition(".")[0]], "__version__", ""))
"""


@dataclass(frozen=True)
class Package:
    """A distribution that `revpers` needs.

    Attributes:
        name: of the distribution.
        module: what must be importable.
        least: lowest version that will do.
        below: first version that will not do any more; "" for none.
    """

    name: str
    module: str
    least: str
    below: str = ""

    @property
    def requirement(self) -> str:
        """As pip takes it."""
        return f"{self.name}>={self.least}" + (f",<{self.below}" if self.below else "")

    def accepts(self, version: str) -> bool:
        """Whether a version will do; one that is no number is believed to."""
        release = _release(version)
        return not release or (release >= _release(self.least) and (not self.below or release < _release(self.below)))


PACKAGES: Final = (
    Package("ai-edge-litert", "ai_edge_litert.interpreter", "2.3"),
    Package("av", "av", "18"),
    Package("dlib-bin", "dlib", "20.0.1"),
    Package("numpy", "numpy", "2.0"),
    Package("opencv-python-headless", "cv2", "4.11", below="5"),
    Package("pillow", "PIL.Image", "12"),
    Package("pip", "pip", "23.2"),
    Package("platformdirs", "platformdirs", "4"),
    Package("pydantic", "pydantic", "2.10"),
    Package("rich", "rich.console", "13"),
    Package("safetensors", "safetensors.numpy", "0.5"),
    Package("threadpoolctl", "threadpoolctl", "3.5"),
    Package("typer", "typer", "0.29"),
)
EXTRAS: Final = {
    "heic": ("pillow-heif",),
    "bench": ("matplotlib",),
    "fid": ("torch-fidelity",),
    "c2pa": ("c2pa-python", "cryptography"),
    "docs": ("furo", "myst-parser", "sphinx"),
    "ui": ("gradio",),
    "parquet": ("pyarrow",),
    "ray": ("pyarrow", "ray"),
    "server": ("fastapi", "prometheus-client", "uvicorn"),
    "insightface": ("onnxruntime",),
    "sdxl": ("accelerate", "diffusers", "huggingface-hub", "peft", "torch", "transformers"),
}


@dataclass(frozen=True)
class PackageFinding:
    """What is known of a package: its version ("" if unknown), its state, and the command that mends it."""

    name: str
    version: str
    state: State
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class ExtraFinding:
    """Which packages an optional extra has and still lacks, and the command that brings the missing ones.

    Attributes:
        name: of the extra.
        versions: of its packages; "" for those that are missing.
        remedy: as typed in a shell; "" if nothing is missing.
    """

    name: str
    versions: dict[str, str]
    remedy: str

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that it lacks."""
        return tuple(name for name, version in self.versions.items() if not version)


@dataclass(frozen=True)
class Machine:
    """Where this runs; sizes in bytes."""

    version: str
    python: str
    platform: str
    cores: int
    memory: int
    cache_folder: str
    disk_free: int
    offline: bool


app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything found, as JSON.")] = False,
) -> int:
    """Show what is installed, which models are here, what is missing and how to get it.

    Exit code 0 if photos can be anonymized, 1 if a package is missing or broken, 6 if a model is.
    """
    machine = examine_machine()
    packages = tuple(examine_package(package) for package in PACKAGES)
    extras = tuple(examine_extra(name, EXTRAS[name]) for name in EXTRAS)
    models = weights.verify()
    installed = plugins()
    code = _exit_code(packages, models)
    if as_json:
        content = {
            **asdict(machine),
            "packages": [asdict(finding) for finding in packages],
            "extras": [{**asdict(finding), "missing": finding.missing} for finding in extras],
            "models": models,
            "plugins": [asdict(plugin) for plugin in installed],
            "exit_code": code,
        }
        typer.echo(json.dumps(content, indent=2))
    else:
        _print(machine, packages, extras, models, installed)
    return code


def examine_machine() -> Machine:
    """Find out where this runs."""
    folder = weights.cache_folder().absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only; knows of containers' limits.
    return Machine(
        version=tool_version(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        cache_folder=str(folder),
        disk_free=shutil.disk_usage(existing).free,
        offline=weights.is_offline(),
    )


def examine_package(package: Package) -> PackageFinding:
    """Import a package in a process of its own, and look at its version."""
    # Without one, another distribution may still bring the module, as several do for OpenCV.
    version = _version(package.name)
    command = (sys.executable, "-P", "-c", _IMPORT, package.module)
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return _unfit(package, version, "broken", f"its import takes more than {_IMPORT_TIMEOUT} seconds")
    if ran.returncode == 0:
        version = ran.stdout.strip() or version
        if package.accepts(version):
            return PackageFinding(package.name, version, "ok")
        return _unfit(package, version, "wrong version", f"{package.requirement} is needed")
    problem = _problem(ran)
    top = package.module.partition(".")[0]
    is_absent = not version and problem == f"ModuleNotFoundError: No module named '{top}'"
    return _unfit(package, version, "missing" if is_absent else "broken", problem)


def examine_extra(name: str, distributions: Sequence[str]) -> ExtraFinding:
    """Look, without importing them, which packages of an extra are installed, in which versions."""
    versions = {distribution: _version(distribution) for distribution in distributions}
    lacks = not all(versions.values())
    return ExtraFinding(name, versions, f"pip install '{DISTRIBUTION}[{name}]'" if lacks else "")


def _release(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _version(distribution: str) -> str:
    try:
        return installed_version(distribution)
    except PackageNotFoundError:
        return ""


def _unfit(package: Package, version: str, state: State, problem: str) -> PackageFinding:
    force = "--force-reinstall " if state == "broken" else ""
    remedy = f"pip install {force}'{package.requirement}'"
    return PackageFinding(package.name, version, state, problem, remedy)


def _problem(ran: subprocess.CompletedProcess[str]) -> str:
    """Why an import failed: the signal that ended it, or the last line of its traceback."""
    if ran.returncode < 0:
        return f"its import is ended by {signal.Signals(-ran.returncode).name}"
    return (ran.stderr.strip().splitlines() or ["it gave no reason"])[-1]


def _exit_code(packages: Sequence[PackageFinding], models: dict[str, weights.Status]) -> int:
    if any(finding.state != "ok" for finding in packages):
        return 1
    needed = weights.needed_by(DEFAULT_ENGINE)
    return WeightsError.exit_code if any(models[name] != "here" for name in needed) else 0


def _print(
    machine: Machine,
    packages: Sequence[PackageFinding],
    extras: Sequence[ExtraFinding],
    models: dict[str, weights.Status],
    installed: Sequence[Plugin],
) -> None:
    from rich.console import Console
    from rich.table import Table

    from reverse_personalization.cli.models import how_to_get_more, how_to_repair, models_table

    console = Console(highlight=False)
    facts = Table.grid(padding=(0, 2))
    for fact in _facts(machine):
        facts.add_row(*fact)
    for table in (facts, _packages_table(packages), _extras_table(extras), models_table(models)):
        console.print(table)
    if installed:
        console.print(_plugins_table(installed))
    sentences = [f"{f.name}: {f.problem}; {f.remedy}." for f in packages if f.state != "ok"]
    sentences += [f"Extra {extra.name}: {extra.remedy}." for extra in extras if extra.remedy]
    sentences += [advice for advice in (how_to_repair(models), how_to_get_more(models)) if advice]
    if _exit_code(packages, models) == 0:
        sentences.append(f"The {DEFAULT_ENGINE} engine can run.")
    for sentence in sentences:
        typer.echo(sentence)


def _facts(machine: Machine) -> tuple[tuple[str, str], ...]:
    return (
        ("revpers", machine.version),
        ("Python", f"{machine.python}, {machine.platform}"),
        ("machine", f"{machine.cores} cores, {machine.memory / 1e9:.1f} GB memory"),
        ("models in", machine.cache_folder),
        ("disk there", f"{machine.disk_free / 1e9:.1f} GB free"),
        ("downloads", "off (REVPERS_OFFLINE or HF_HUB_OFFLINE)" if machine.offline else "allowed"),
    )


def _packages_table(findings: Sequence[PackageFinding]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("package", "version", "state")
    for finding in findings:
        style = "green" if finding.state == "ok" else "red"
        table.add_row(finding.name, finding.version or "-", Text(finding.state, style=style))
    return table


def _plugins_table(installed: Sequence[Plugin]) -> Table:
    from rich.table import Table

    table = Table("plugin", "kind", "package")
    for plugin in installed:
        table.add_row(plugin.name, plugin.kind, plugin.package)
    return table


def _extras_table(findings: Sequence[ExtraFinding]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("extra", "state", "packages")
    for finding in findings:
        lacks_all = len(finding.missing) == len(finding.versions)
        word = "not installed" if lacks_all else "incomplete" if finding.missing else "ok"
        state = Text(word, style="dim" if finding.missing else "green")
        packages = (f"{name} {version or '-'}" for name, version in finding.versions.items())
        table.add_row(finding.name, state, Text(", ".join(packages)))
    return table
