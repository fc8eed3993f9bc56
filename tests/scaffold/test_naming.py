from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.scaffold import naming
from gpudepth.scaffold.naming import Match, confidence_of, matches, photos_of, shared
from gpudepth.scaffold.survey import Group, Survey


def group(folder: str, *names: str, role: str = "photo", ending: str = "") -> Group:
    return Group(folder, Path(names[0]).suffix, list(names), ending, role)   # type: ignore[arg-type]


def maps(folder: str, *names: str, ending: str = "") -> Group:
    return group(folder, *names, role="map", ending=ending)


def survey(*groups: Group) -> Survey:
    return Survey(Path(), list(groups))


def templates(match: Match) -> tuple[str, str, str]:
    return match.color, match.depth, match.outputs


@pytest.mark.parametrize(("photos", "depth", "found"), [
    (["a.jpg", "b.jpg"], ["a.png", "b.png"], (1, "", ".png")), (["a.jpg", "b.jpg"], ["a.png"], (0.5, "", ".png")),
    (["1.jpg", "10.jpg"], ["d_1_x.npy", "d_10_x.npy"], (1, "d_", "_x.npy")), (["A.JPG"], ["a.PNG"], (0, "", "")),
    (["a.jpg"], ["A_b.png", "a.png"], (1, "", ".png")), (["a.jpg"], ["z.png"], (0, "", ""))])
def test_shared(photos: list[str], depth: list[str], found: tuple[float, str, str]) -> None:
    assert shared(group("p", *photos), maps("d", *depth)) == found


def test_the_map_that_keeps_most_of_the_most_photos() -> None:
    found = survey(group("p", "a.jpg", "b.jpg"), maps("d", "a.png", "b.png"), maps("d", "a.npy", "b.npy"))
    best, other = matches(found)
    assert templates(best) == ("p/*.jpg", "d/{stem}.npy", "{stem}")
    assert other.depth == "d/{stem}.png"
    assert best.missing(found) == []


def test_beginnings_and_endings() -> None:
    found = survey(group("", "rgb_1.jpg", "rgb_2.jpg"), maps("", "depth_1.png", "depth_2.png"))
    assert templates(matches(found)[0]) == ("rgb_{id}.jpg", "depth_{id}.png", "{id}")
    found = survey(group("", "1.color.jpg", "2.color.jpg"), maps("", "1.depth.png", "2.depth.png"))
    assert templates(matches(found)[0]) == ("{id}.color.jpg", "{id}.depth.png", "{id}")


def test_scenes_get_their_own_maps_and_missing_ones_are_counted_in_all() -> None:
    found = survey(group("x/rgb", "0.jpg", "1.jpg"), maps("x/d", "0.png", "1.png"),
                   group("y/rgb", "0.jpg", "1.jpg"), maps("y/d", "0.png"), group("z/rgb", "0.jpg"))
    best = matches(found)[0]
    assert templates(best) == ("{scene}/rgb/{stem}.jpg", "{scene}/d/{stem}.png", "{scene}/{stem}")
    assert best.missing(found) == ["1.jpg", "0.jpg"]


def test_pictures_of_maps_are_no_photos() -> None:
    photos, shown = group("p", "a.jpg", "b.jpg"), group("out", "a.jpg")
    assert photos_of(survey(photos, shown, maps("out", "a.npz"))) == [photos]
    assert photos_of(survey(photos, shown)) == [photos, shown]      # of no map
    alone = survey(shown, maps("out", "a.npz"))
    assert photos_of(alone) == [shown]                              # a photo beside its map


def test_confidences() -> None:
    photos, depth = group("p", "a.jpg", "b.jpg"), maps("d", "a.png")
    trust = group("confidence", "a.png", role="other")
    found = survey(photos, depth, trust)
    assert confidence_of(found, matches(found)[0]) == trust         # b has no map, and needs none
    found = survey(photos, maps("d", "a.png", "b.png"), trust)
    assert confidence_of(found, matches(found)[0]) is None
    found = survey(photos, depth, group("masks", "a.png", role="other"))
    assert confidence_of(found, matches(found)[0]) is None


def test_many_folders_are_not_held_against_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = naming.shared
    monkeypatch.setattr(naming, "shared", lambda photos, side: asked.append(photos) or real(photos, side))
    found = survey(*(g for n in range(300) for g in (group(f"{n}/p", "a.jpg"), maps(f"{n}/d", "a.png"))))
    assert len(matches(found)[0].scenes) == 300
    assert len(asked) <= naming.MOST_GROUPS ** 2
