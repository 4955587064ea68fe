"""The sheet shows every entry, and its difference is white where nothing changed."""

from __future__ import annotations

import media_samples as samples
import numpy as np
import pytest

from reverse_personalization.errors import UsageError
from reverse_personalization.media.contact_sheet import SheetEntry, contact_sheet

BEFORE = samples.astronaut()[:, :60]


def entry(verdict: str = "anonymized", title: str = "photo.jpg, face 1") -> SheetEntry:
    after = BEFORE.copy()
    after[30:] = np.roll(after[30:], 3, 0)
    return SheetEntry(BEFORE, after, title, verdict)


def test_cells_show_before_after_and_difference() -> None:
    sheet = np.asarray(contact_sheet([entry()]))
    top, cell, step = 16 + 32, 256, 272
    cells = [sheet[top : top + cell, left : left + cell] for left in (16, 16 + step, 16 + 2 * step)]
    inner = slice(4, 110)
    np.testing.assert_array_equal(cells[0][inner], cells[1][inner])
    assert (cells[2][inner, 4:-4] == 255).all()
    assert (cells[2][140:-4, 4:-4] < 255).mean() > 0.3


@pytest.mark.parametrize("count", [1, 2, 7, 40, 130])
def test_grows_in_both_directions(count: int) -> None:
    width, height = contact_sheet([entry(title=str(number)) for number in range(count)]).size
    single = contact_sheet([entry()]).size
    assert height >= single[1] if count <= 24 else height > width / 3
    assert width * height < 30_000_000
    assert max(width, height) < 6 * min(width, height)


def test_verdicts_differ_in_colour() -> None:
    colours = set()
    for verdict in ("anonymized", "obscured", "kept"):
        text = np.asarray(contact_sheet([entry(verdict, title="")]))[48:, 16 + 3 * 272 :]
        darkest = text.reshape(-1, 3)[text.sum(-1).argmin()]
        colours.add(tuple(int(value) for value in darkest))
    assert len(colours) == 3


def test_long_titles_stay_inside_the_sheet() -> None:
    long = entry(title="a_file_name_without_any_spaces_" * 20 + "\n" + "and many words " * 90)
    sheet = np.asarray(contact_sheet([long, entry()]))
    assert (sheet[:, -8:] == 255).all()
    gap = sheet[48 + 256 + 2 : 48 + 272 - 2]
    assert (gap == 255).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 700, 3), (700, 3, 3), (900, 900, 3)])
def test_any_size_of_picture_fits(shape: tuple[int, int, int]) -> None:
    picture = np.zeros(shape, np.uint8)
    assert contact_sheet([SheetEntry(picture, picture, "odd", "kept")]).size == contact_sheet([entry()]).size


def test_nothing_to_show() -> None:
    with pytest.raises(UsageError, match="at least one face"):
        contact_sheet([])


def test_pictures_of_different_size() -> None:
    with pytest.raises(UsageError, match="same region"):
        contact_sheet([SheetEntry(BEFORE, BEFORE[1:], "face", "kept")])
