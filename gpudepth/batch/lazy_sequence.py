"""Sequences over items that are held elsewhere: selected by place, or made when they are asked for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

S = TypeVar("S")
T = TypeVar("T")


class LazySequence(Sequence[T]):
    """Selected items of a sequence, held as places of 8 bytes each."""

    def __init__(self, items: Sequence[T], places: array[int]) -> None:
        self.items, self.places = items, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> LazySequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | LazySequence[T]:
        if isinstance(index, slice):
            return LazySequence(self.items, self.places[index])
        return self.items[self.places[index]]

    def __iter__(self) -> Iterator[T]:
        return (self.items[place] for place in self.places)


class MappedSequence(Sequence[T]):
    """Items that are made from those of another sequence when they are asked for."""

    def __init__(self, of: Sequence[S], make: Callable[[S], T]) -> None:
        self.of: Sequence[Any] = of
        self.make = make

    def __len__(self) -> int:
        return len(self.of)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> MappedSequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | MappedSequence[T]:
        return MappedSequence(self.of[index], self.make) if isinstance(index, slice) else self.make(self.of[index])

    def __iter__(self) -> Iterator[T]:
        return map(self.make, self.of)


def select(items: Sequence[T], wanted: Callable[[T], Any]) -> Sequence[T]:
    """Return the items that are wanted, or the sequence itself if all are."""
    places = array("Q", (place for place, item in enumerate(items) if wanted(item)))
    return items if len(places) == len(items) else LazySequence(items, places)
