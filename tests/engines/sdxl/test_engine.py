"""The closed loop with a diffusion model that knows nothing: every face ends obscured, none unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from reverse_personalization import Anonymizer, anonymizer, weights
from reverse_personalization.engines import load_engine
from reverse_personalization.engines.sdxl import geometry
from reverse_personalization.engines.sdxl.engine import SdxlEngine
from reverse_personalization.engines.sdxl.network import DiffusionNetwork
from reverse_personalization.errors import EngineError, ReversePersonalizationError, UsageError, WeightsError
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.faces.regions import region_mask
from reverse_personalization.inversion import Row
from reverse_personalization.settings import Settings


@pytest.fixture
def small(network: Any, guide: Any, monkeypatch: pytest.MonkeyPatch) -> SdxlEngine:
    """An engine whose crops are small enough for two cores."""
    monkeypatch.setattr(network, "size", 128)
    return SdxlEngine(network, guide)


@pytest.fixture
def sdxl(small: SdxlEngine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes anonymizers with that engine."""
    monkeypatch.setattr(anonymizer, "load_engine", lambda settings: small)

    def make(**options: Any) -> Anonymizer:
        return Anonymizer(engine="sdxl", seed=1, steps=4, **options)

    return make


def test_a_random_model_leaves_every_face_obscured(sdxl: Any, portrait: Any) -> None:
    result = sdxl(max_tries=2).anonymize(portrait.image_rgb)
    (face,) = result.faces
    assert face.verdict == "obscured"
    assert not face.failed
    assert face.tries == 2
    assert [s.role for s in face.similarities] == ["verifier", "verifier"]
    x, y, w, h = (round(v) for v in face.box)
    assert result.changed[y : y + h, x : x + w].mean() > 0.5


@pytest.mark.parametrize("method", ["reverse", "nullface"])
def test_faces_of_several_photos_share_calls(
    sdxl: Any, small: SdxlEngine, method: str, astronaut: Any, hopper: Any
) -> None:
    anonymize = sdxl(max_tries=1, method=method)
    before = small.network.calls
    both = anonymize.anonymize_batch([astronaut.image_rgb, hopper.image_rgb])
    together = small.network.calls - before
    assert [len(result.faces) for result in both] == [1, 1]
    assert all(result.faces[0].verdict == "obscured" for result in both)
    before = small.network.calls
    anonymize.anonymize(astronaut.image_rgb)
    anonymize.anonymize(hopper.image_rgb)
    assert together < small.network.calls - before


def test_nothing_pushed_gives_back_the_codec_s_copy_of_the_face(small: SdxlEngine, portrait: Any) -> None:
    encoded = small.encode(portrait.image_rgb, portrait.face)
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 1, *encoded.x0.shape), np.float32))
    x = small.regenerate(encoded.x0[None], torch.zeros(1, 512), noise=noise, steps=4)
    torch.testing.assert_close(x[0], encoded.x0, atol=1e-6, rtol=0)


def test_what_is_not_finite_is_refused(small: SdxlEngine, portrait: Any) -> None:
    encoded = small.encode(portrait.image_rgb, portrait.face)
    with pytest.raises(EngineError, match="finite"):
        small.decode(portrait.image_rgb, encoded, torch.full_like(encoded.x0, torch.nan))


def test_kept_parts_stay_in_the_latent_and_in_the_picture(
    network: Any, guide: Any, portrait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "size", 128)
    engine = SdxlEngine(network, guide, keep=["eyes", "mouth"])
    encoded = engine.encode(portrait.image_rgb, portrait.face)
    assert encoded.keep is not None
    assert encoded.keep.shape == (1, *encoded.x0.shape[1:])
    assert 0 < float(encoded.keep.mean()) < 0.5
    rendering = engine.decode(portrait.image_rgb, encoded, torch.zeros_like(encoded.x0))
    points = encoded.context.mesh.points
    kept = region_mask(["eyes", "mouth"], points, portrait.image_rgb.shape[:2]) == 1
    inside = kept[rendering.rows, rendering.columns]
    assert inside.any()
    assert not rendering.changed[inside].any()
    assert rendering.changed.any()


@pytest.mark.parametrize(("memory", "samples"), [(1e-9, 1), (1.0, None), (1e6, 64)])
def test_memory_decides_how_many_samples_a_call_holds(
    network: Any, tiny_sdxl: Path, tiny_adapter: Path, memory: float, samples: int | None
) -> None:
    limited = DiffusionNetwork.from_pretrained(tiny_sdxl, tiny_adapter, device="cpu", memory=memory)
    if samples is None:
        assert 1 < limited.samples_per_call < network.samples_per_call
    else:
        assert limited.samples_per_call == samples


@pytest.mark.parametrize("offload", ["model", "group"])
def test_a_cpu_has_nothing_to_offload(tiny_sdxl: Path, tiny_adapter: Path, offload: Any) -> None:
    with pytest.raises(UsageError, match="--offload"):
        DiffusionNetwork.from_pretrained(tiny_sdxl, tiny_adapter, device="cpu", offload=offload)


def test_the_crop_is_2_131_template_units_wide(portrait: Any, mesher: FaceMesher) -> None:
    mesh = mesher.mesh(portrait.image_rgb, portrait.face)
    crop = geometry.crop(portrait.image_rgb, mesh, 256)
    points = mesh.points[list(geometry.LANDMARKS)] @ crop.matrix[:, :2].T + crop.matrix[:, 2]
    wanted = (geometry.TEMPLATE - geometry.CENTRE) * (256 / 2.1314) + 128
    assert np.linalg.norm(points - wanted, axis=1).mean() < 0.05 * 256 / 2.1314
    # A similarity keeps the centroid of what it was fitted to.
    np.testing.assert_allclose(points.mean(0), wanted.mean(0), atol=0.5)
    assert crop.image_rgb.shape == (256, 256, 3)


def test_pasting_changes_nothing_but_the_face(portrait: Any, mesher: FaceMesher) -> None:
    mesh = mesher.mesh(portrait.image_rgb, portrait.face)
    crop = geometry.crop(portrait.image_rgb, mesh, 512)
    rendering = geometry.paste_back(portrait.image_rgb, crop, np.zeros((512, 512, 3), np.uint8))
    assert rendering.changed.mean() > 0.5
    corners = rendering.changed[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.any()
    same = geometry.paste_back(portrait.image_rgb, crop, crop.image_rgb)
    before = portrait.image_rgb[same.rows, same.columns].astype(int)
    assert np.abs(same.image_rgb - before).mean() < 3


def test_the_folder_and_the_file_are_loaded(
    tiny_sdxl: Path, tiny_adapter: Path, guide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = SdxlEngine.from_pretrained(tiny_sdxl, tiny_adapter, device="cpu", guide=guide)
    assert engine.network.size == 1024
    assert engine.schedule.abar[0] == pytest.approx(0.99915, abs=1e-6)


def test_sd15_goes_through_the_same_door(tiny_sd15: Path, tiny_sd15_adapter: Path, guide: Any) -> None:
    engine = SdxlEngine.from_pretrained(tiny_sd15, tiny_sd15_adapter, device="cpu", guide=guide)
    assert engine.network.size == 512
    x0 = torch.zeros(1, 4, 8, 8)
    who = torch.nn.functional.normalize(torch.ones(1, 512))
    x = engine.regenerate(x0, who, noise=torch.randn(4, 4, 8, 8), steps=4)
    assert torch.isfinite(x).all()
    assert (x - x0).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("broken", "error", "words"),
    [
        ("no folder", WeightsError, "folder"),
        ("wrong folder", WeightsError, "model_index"),
        ("missing weights", WeightsError, "missing or damaged"),
        ("no adapter", WeightsError, "no such file"),
        ("damaged adapter", WeightsError, "damaged"),
        ("unpinned pickle", WeightsError, "convert"),
        ("other layout", WeightsError, "FaceID"),
        ("other base", WeightsError, "fit"),
        ("cuda", UsageError, "cuda"),
    ],
)
def test_each_failure_has_one_sentence(
    broken: str,
    error: type[ReversePersonalizationError],
    words: str,
    tiny_sdxl: Path,
    tiny_adapter: Path,
    tiny_sd15_adapter: Path,
    guide: Any,
    tmp_path: Path,
) -> None:
    if broken == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "model_index.json").write_text((tiny_sdxl / "model_index.json").read_text())
    (tmp_path / "damaged.safetensors").write_bytes(tiny_adapter.read_bytes()[:1000])
    torch.save({}, tmp_path / "adapter.bin")
    save_file({"image_proj.norm.weight": torch.ones(4)}, tmp_path / "other.safetensors")
    model = {
        "no folder": tmp_path / "nowhere",
        "wrong folder": tmp_path,
        "missing weights": tmp_path / "bare",
    }.get(broken, tiny_sdxl)
    adapter = {
        "no adapter": tmp_path / "none.safetensors",
        "damaged adapter": tmp_path / "damaged.safetensors",
        "unpinned pickle": tmp_path / "adapter.bin",
        "other layout": tmp_path / "other.safetensors",
        "other base": tiny_sd15_adapter,
    }.get(broken, tiny_adapter)
    device = "cuda" if broken == "cuda" else "cpu"
    with pytest.raises(error, match=f"(?i){words}") as raised:
        SdxlEngine.from_pretrained(model, adapter, device=device, guide=guide)
    message = str(raised.value)
    assert message.endswith(".")
    assert "\n" not in message


def test_the_lora_is_applied(tiny_sdxl: Path, network: Any, tmp_path: Path) -> None:
    plain = DiffusionNetwork.from_pretrained(
        tiny_sdxl, tiny.save_adapter(tmp_path / "plain.safetensors", "sdxl", lora=False), device="cpu"
    )
    x = torch.ones(1, 4, 8, 8)
    with_lora, without = (n.predict([Row(x, 300, n.condition("", torch.zeros(1, 512)))]) for n in (network, plain))
    assert (with_lora[0] - without[0]).abs().max() > 1e-2


def test_a_missing_peft_is_an_error(tiny_sdxl: Path, tiny_adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reverse_personalization.engines.sdxl import loading

    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="PEFT"):
        DiffusionNetwork.from_pretrained(tiny_sdxl, tiny_adapter, device="cpu")


def test_the_size_that_the_network_is_told_is_the_true_one(network: Any, monkeypatch: Any) -> None:
    told = []
    forward = network._unet.forward

    def listening(*args: Any, **kwargs: Any) -> Any:
        told.append(kwargs["added_cond_kwargs"]["time_ids"].tolist())
        return forward(*args, **kwargs)

    monkeypatch.setattr(network._unet, "forward", listening)
    network.predict([Row(torch.zeros(2, 4, 12, 20), 5, network.condition("", torch.zeros(2, 512)))])
    assert told == [[[96, 160, 0, 0, 96, 160]] * 2]


def test_memory_that_runs_out_halves_the_batch_then_ends_in_a_sentence(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    room = 2
    forward = network._unet.forward

    def limited(x: Any, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(x))
        if len(x) > room:
            raise torch.OutOfMemoryError
        return forward(x, *args, **kwargs)

    monkeypatch.setattr(network._unet, "forward", limited)
    monkeypatch.setattr(network, "samples_per_call", 8)
    rows = [Row(torch.zeros(8, 4, 8, 8), 5, network.condition("", torch.zeros(8, 512)))]
    assert network.predict(rows)[0].shape == (8, 4, 8, 8)
    assert sizes == [8, 4, 2, 2, 2, 2]
    room = 0
    with pytest.raises(EngineError, match="memory"):
        network.predict(rows)
    assert sizes[-1] == 1


def test_a_pickle_converts_to_safetensors(tiny_adapter: Path, tmp_path: Path) -> None:
    from reverse_personalization.engines.sdxl.adapter import convert

    tensors = load_file(tiny_adapter)
    parts: dict[str, dict[str, Any]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    torch.save(parts, tmp_path / "adapter.bin")
    convert(tmp_path / "adapter.bin", tmp_path / "adapter.safetensors")
    again = load_file(tmp_path / "adapter.safetensors")
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter.bin", "adapter.safetensors"]


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    from reverse_personalization.engines.sdxl.adapter import convert

    torch.save({"image_proj": Path("x")}, tmp_path / "evil.bin")
    with pytest.raises(WeightsError, match="tensors"):
        convert(tmp_path / "evil.bin", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_without_weights_and_network_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REVPERS_CACHE", str(tmp_path))
    monkeypatch.setenv("REVPERS_OFFLINE", "1")
    with pytest.raises(WeightsError) as raised:
        load_engine(Settings(engine="sdxl"))
    assert "\n" not in str(raised.value)
    assert weights.status("arcface") == "missing"


def test_compact_refuses_what_only_sdxl_follows() -> None:
    with pytest.raises(UsageError, match="sdxl"):
        load_engine(Settings(model="somewhere"))


def test_nothing_is_fetched_for_what_cannot_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "snapshot", lambda *_: pytest.fail("fetched"))
    monkeypatch.setattr(weights, "file", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UsageError, match="--offload"):
        SdxlEngine.from_pretrained(device="cpu", offload="model")
