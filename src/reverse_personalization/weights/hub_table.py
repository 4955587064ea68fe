"""The models of the sdxl engine, on the Hugging Face hub; `docs/weights.md` says who saw these hashes."""

from __future__ import annotations

from typing import Final

from reverse_personalization.weights.models import HubRepo, Model, Part, WeightFile, WeightFolder

NON_COMMERCIAL: Final = "non-commercial research only"

SDXL: Final = HubRepo("stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b")
SD15: Final = HubRepo("stable-diffusion-v1-5/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14")
FACEID: Final = HubRepo("h94/IP-Adapter-FaceID", "43907e6f44d079bf1a9102d9a6e56aef7a219bae")
INSIGHTFACE: Final = HubRepo("public-data/insightface", "33c1063c49c785b7652d3fd529f86fa4f149392b")

_MERGES: Final = "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"
_VOCABULARY: Final = "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"
_SPECIAL_TOKENS: Final = "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac"

_SDXL_PARTS: Final = (
    Part("model_index.json", "6d7b93508390ab91ac5bfbe4aeb4dc2d83f7bb1b05fb069d714b5b0c75f70d44", 609),
    Part(
        "scheduler/scheduler_config.json",
        "af3e45a949aff8b8341ab8b811429ec03fee857a700a1d9477363e4fff9666e2",
        479,
    ),
    Part("text_encoder/config.json", "39b8b2e4b1949e36969caa425b6c81c68bace99198dd9078ce05d16ad401fe7f", 565),
    Part(
        "text_encoder/model.fp16.safetensors",
        "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd",
        246144152,
    ),
    Part("text_encoder_2/config.json", "a892d1c3a69a7e9247a24de2bc1d5891e3109a54696e53be20093af671072c34", 575),
    Part(
        "text_encoder_2/model.fp16.safetensors",
        "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4",
        1389382176,
    ),
    Part("tokenizer/merges.txt", _MERGES, 524619),
    Part("tokenizer/special_tokens_map.json", _SPECIAL_TOKENS, 472),
    Part(
        "tokenizer/tokenizer_config.json",
        "19d7b034cb0cc3ce9766c2231373ab8aa8991fc72e2c8f76558bfaae3de0d563",
        737,
    ),
    Part("tokenizer/vocab.json", _VOCABULARY, 1059962),
    Part("tokenizer_2/merges.txt", _MERGES, 524619),
    Part(
        "tokenizer_2/special_tokens_map.json",
        "f118ab3a983206e4f32583448de6bd6aae4ee21869135cef1f5848a753cdaab6",
        460,
    ),
    Part(
        "tokenizer_2/tokenizer_config.json",
        "c9d23941f76a41cbd50eda9290f57be7828f0a7a677939e9ef181f7e12bd1bdf",
        725,
    ),
    Part("tokenizer_2/vocab.json", _VOCABULARY, 1059962),
    Part("unet/config.json", "30ebc70750223e59006f7f2b4e1e6c102570aa19a9c4ae3e1fbe7591332dbae6", 1680),
    Part(
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139",
        5135149760,
    ),
    Part("vae/config.json", "0b331c8ac22ded5f9997a144a575c1d113d6169aff262c353f39015bd24a6264", 642),
    Part(
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "bcb60880a46b63dea58e9bc591abe15f8350bde47b405f9c38f4be70c6161e68",
        167335342,
    ),
)

_SD15_PARTS: Final = (
    Part("model_index.json", "e2f6f22e274374010aec30c79eb2d6e53fff4a36ac0225523a92cb2d41a83347", 541),
    Part(
        "scheduler/scheduler_config.json",
        "699cce92eb7c122e2eb7dfdea78e6187fda76a5ed4a8e42319b85610e620e091",
        308,
    ),
    Part("text_encoder/config.json", "845df614cb9327ae7bbea027316246fae917827407da6df13572e41b5f93b4cc", 617),
    Part(
        "text_encoder/model.fp16.safetensors",
        "77795e2023adcf39bc29a884661950380bd093cf0750a966d473d1718dc9ef4e",
        246144864,
    ),
    Part("tokenizer/merges.txt", _MERGES, 524619),
    Part("tokenizer/special_tokens_map.json", _SPECIAL_TOKENS, 472),
    Part(
        "tokenizer/tokenizer_config.json",
        "00439066fcba73de57644cf41e4e3b9f2dbb09d7f3fc2005898ba52399045882",
        806,
    ),
    Part("tokenizer/vocab.json", _VOCABULARY, 1059962),
    Part("unet/config.json", "78f474de6bab3d893868f37be97b636ae65c0df3073ed3256ca458ff599b5f96", 743),
    Part(
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "c83908253f9a64d08c25fc90874c9c8aef9a329ce1ca5fb909d73b0c83d1ea21",
        1719125304,
    ),
    Part("vae/config.json", "786a7d21647ddea6a04b9675c03d3cb45e90a2f3c6da5fbda2c54ade040036de", 547),
    Part(
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "4fbcf0ebe55a0984f5a5e00d8c4521d52359af7229bb4d81890039d2aa16dd7c",
        167335342,
    ),
)

HUB_TABLE: Final[tuple[Model, ...]] = (
    WeightFolder(
        name="sdxl",
        purpose="diffusion, 1024 px",
        source=SDXL,
        parts=_SDXL_PARTS,
        licence="OpenRAIL++-M",
        note="Stable Diffusion XL base 1.0, 16-bit files; CreativeML Open RAIL++-M, which restricts uses.",
        used_by=("sdxl",),
    ),
    WeightFile(
        name="faceid-sdxl",
        purpose="identity for sdxl",
        source=FACEID,
        path="ip-adapter-faceid_sdxl.bin",
        sha256="f455fed24e207c878ec1e0466b34a969d37bab857c5faa4e8d259a0b4ff63d7e",
        size=1071149741,
        licence=NON_COMMERCIAL,
        note="Pickled; read without running code, or after `revpers models convert`.",
        used_by=("sdxl",),
    ),
    WeightFile(
        name="arcface",
        purpose="recogniser for FaceID",
        source=INSIGHTFACE,
        path="models/buffalo_l/w600k_r50.onnx",
        sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        size=174383860,
        licence=NON_COMMERCIAL,
        note="InsightFace's buffalo_l, whose pretrained models are for non-commercial research only.",
        used_by=("sdxl",),
    ),
    WeightFolder(
        name="sd15",
        purpose="diffusion, 512 px",
        source=SD15,
        parts=_SD15_PARTS,
        licence="OpenRAIL-M",
        note="Stable Diffusion 1.5, 16-bit files; CreativeML OpenRAIL-M, which restricts uses.",
    ),
    WeightFile(
        name="faceid-sd15",
        purpose="identity for sd15",
        source=FACEID,
        path="ip-adapter-faceid_sd15.bin",
        sha256="201344e22e6f55849cf07ca7a6e53d8c3b001327c66cb9710d69fd5da48a8da7",
        size=96740574,
        licence=NON_COMMERCIAL,
        note="Pickled; read without running code, or after `revpers models convert`.",
    ),
)
