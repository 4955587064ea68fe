"""Layers run backwards say how what they give follows their input, as trying it out does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.identity.onnx_graph import OnnxGraph
from reverse_personalization.identity.onnx_tape import Tape

STEP, SIDE = 2e-3, 11
Build = Callable[[Tape, np.random.Generator], tuple[str, tuple[int, int]]]


def kernel(generator: np.random.Generator, *shape: int) -> Any:
    return generator.standard_normal(shape).astype(np.float32)


def strided(tape: Tape, generator: np.random.Generator) -> tuple[str, tuple[int, int]]:
    value = tape.convolve("input", kernel(generator, 4, 3, 3, 3), kernel(generator, 4), stride=2)
    return tape.convolve(value, kernel(generator, 4, 1, 3, 3), groups=4, stride=2), (4, 3)


def unpadded(tape: Tape, generator: np.random.Generator) -> tuple[str, tuple[int, int]]:
    value = tape.convolve("input", kernel(generator, 4, 3, 2, 2), stride=2, pads=(0, 0))
    return tape.lengthen(tape.convolve(value, kernel(generator, 2, 4, 3, 3), pads=(0, 0))), (2, 4)


def seen_at_once(tape: Tape, generator: np.random.Generator) -> tuple[str, tuple[int, int]]:
    return tape.convolve("input", kernel(generator, 5, 3, SIDE, SIDE), pads=(0, 0)), (5, 1)


def pooled(tape: Tape, generator: np.random.Generator) -> tuple[str, tuple[int, int]]:
    return tape.pool(tape.convolve("input", kernel(generator, 4, 3, 3, 3))), (4, 5)


def branching(tape: Tape, generator: np.random.Generator) -> tuple[str, tuple[int, int]]:
    value = tape.bend("input", np.array([0.2, -0.3, 0.5], np.float32))
    inner = tape.rectify(tape.convolve(value, kernel(generator, 3, 3, 3, 3)))
    return tape.rectify(tape.add(tape.convolve(inner, kernel(generator, 3, 3, 3, 3)), value)), (3, 11)


@pytest.mark.parametrize("build", [strided, unpadded, seen_at_once, pooled, branching])
def test_slopes_are_those_that_are_tried_out(build: Build) -> None:
    generator = np.random.default_rng(0)
    graph = OnnxGraph("layers", (1, 3, SIDE, SIDE))
    tape = Tape(graph, side=SIDE)
    value, (channels, size) = build(tape, generator)
    weights = kernel(generator, 1, channels, size, size)
    gradient = tape.follow(value, graph.add("Add", graph.input("slopes", weights.shape), weights=[0 * weights]))
    model = graph.serialized({value: weights.shape, gradient: (1, 3, SIDE, SIDE)})
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))

    def run(picture: Any) -> tuple[float, Any]:
        net.setInput(picture, "input")
        net.setInput(weights, "slopes")
        given, slopes = net.forward((value, gradient))
        return float((given.astype(np.float64) * weights).sum()), slopes.copy()

    picture = kernel(generator, 1, 3, SIDE, SIDE)
    _, told = run(picture)
    tried = np.zeros_like(told)
    for place in np.ndindex(*picture.shape):
        change = np.zeros_like(picture)
        change[place] = STEP
        tried[place] = (run(picture + change)[0] - run(picture - change)[0]) / (2 * STEP)
    # A step may lead across a bend, or to another largest value.
    assert np.quantile(np.abs(told - tried), 0.9) < 2e-3 * np.abs(tried).max()
    assert np.corrcoef(told.ravel(), tried.ravel())[0, 1] > 0.999


def test_a_matrix_that_is_given_does_what_a_kernel_does_that_sees_all() -> None:
    generator = np.random.default_rng(0)
    picture, slopes = kernel(generator, 1, 3, SIDE, SIDE), kernel(generator, 1, 5, 1, 1)
    weights = kernel(generator, 5, 3, SIDE, SIDE)

    def ran(add: Callable[[Tape, OnnxGraph], str], **given: Any) -> tuple[Any, Any]:
        graph = OnnxGraph("layers", (1, 3, SIDE, SIDE))
        tape = Tape(graph, side=SIDE)
        value = add(tape, graph)
        gradient = tape.follow(value, graph.add("Add", graph.input("slopes", slopes.shape), weights=[0 * slopes]))
        model = graph.serialized({value: slopes.shape, gradient: picture.shape})
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        for name, values in {"input": picture, "slopes": slopes, **given}.items():
            net.setInput(values, name)
        return tuple(each.copy() for each in net.forward((value, gradient)))

    matrix = weights.reshape(5, -1)
    given = ran(lambda tape, graph: tape.project("input", graph.input("matrix", matrix.shape), 5), matrix=matrix)
    held = ran(lambda tape, graph: tape.convolve("input", weights, pads=(0, 0)))
    for one, other in zip(given, held, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
