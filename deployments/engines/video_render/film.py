"""A plan's pictures as segments: all of them once, then those again that a proof wants covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
from av.video.frame import VideoFrame

from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.facts import STILLS, Facts, facts_of
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.scene import Held, Picture, Scene
from deployments.engines.video_render.segments import SEGMENT_S, Segment, Writer
from deployments.errors import UndecodableMedia
from deployments.operation import Inputs, Plan, Stopped, Tools


class Film:
    """The segments of a render, in the scratch folder."""

    def __init__(self, plan: Plan, inputs: Inputs, tools: Tools) -> None:
        self._plan, self._inputs, self._tools = plan, inputs, tools
        moving = dict.fromkeys(row["source_id"] for row in plan.parameters["clips"] if row["kind"] == "video")
        facts = [facts_of(inputs[id]) for id in moving]
        self.leader: Facts = facts[0] if facts else STILLS
        self._held: Held = {}

    def shoot(self) -> Notes:
        """Every frame, once. Raises UndecodableMedia, BackendUnavailable, Stopped."""
        picture, notes = self._plan.parameters["picture"], Notes(self.leader.matrix)
        scene = self.scene()
        expected = round(picture["duration_ms"] / 1000 * float(picture["fps"] or self.leader.rate))
        writer: Writer | None = None
        last, place = -1, -1
        try:
            for item in scene.pictures():
                frame = self._frame(item)
                if writer is None or item.at // SEGMENT_S != place:
                    if writer is not None:
                        notes.segments.append(writer.close())
                    place = int(item.at // SEGMENT_S)
                    writer = self._writer(len(notes.segments), item.number)
                    notes.time_base = writer.time_base
                pts = max(last + 1, round(item.at / notes.time_base))
                notes.uneven |= pts != round(item.at / notes.time_base)
                last = pts
                shown = item.shown()
                tracks = [(number, track) for number, clip, seen in shown for track in clip.tracked(seen)]
                notes.frame(frame, pts, shown[0][0] if shown else -1, tracks)
                writer.put(frame, pts)
                self._tools.progress(len(notes.pts), max(expected, len(notes.pts)))
            if writer is None:
                raise UndecodableMedia("the video has no frame that can be decoded")
            notes.segments.append(writer.close())
        except (av.FFmpegError, EOFError) as error:
            raise _unreadable(error) from error
        notes.end = last * notes.time_base + (notes.time_base if picture["rate"] else scene.lasts)
        notes.painted = scene.painted
        return notes

    def again(self, notes: Notes, covers: Sequence[Cover], numbers: Sequence[int]) -> None:
        """The segments with these numbers, with covers over them. Raises as `shoot` does."""
        try:
            for number in numbers:
                old = notes.segments[number]
                writer = self._writer(number, old.first)
                for item in self.part(notes, old, cover=covers):
                    writer.put(self._frame(item), notes.pts[item.number])
                made = writer.close()
                if made.end != old.end:
                    raise UndecodableMedia("the video gives other frames when it is read from its middle")
                notes.segments[number] = made
        except (av.FFmpegError, EOFError) as error:
            raise _unreadable(error) from error

    def scene(self, *, painted: bool = True, cover: Sequence[Cover] = ()) -> Scene:
        held = self._held if painted else None
        return Scene(
            self._plan, self._inputs, self._tools, self.leader.matrix, painted=painted, cover=cover, held=held
        )  # fmt: skip

    def part(
        self, notes: Notes, segment: Segment, *, painted: bool = True, cover: Sequence[Cover] = ()
    ) -> Iterator[Picture]:
        """The pictures of a segment, made anew; from the start of the timeline where frames were pushed apart, since
        their times do not tell which they are."""
        scene = self.scene(painted=painted, cover=cover)
        first, since = segment.first, Fraction(0)
        if notes.uneven or not first:
            first = 0
        else:
            since = (notes.pts[first] - Fraction(1, 2)) * notes.time_base
        for item in scene.pictures(first, since, segment.end):
            if item.number >= segment.first:
                yield item

    def _writer(self, number: int, first: int) -> Writer:
        path = self._tools.scratch / f"segment{number:05}.{self._plan.parameters['profile']['container']}"
        path.unlink(missing_ok=True)
        return Writer(self._plan, self.leader, path, first)

    def _frame(self, item: Picture) -> VideoFrame:
        if self._tools.stop.is_set():
            raise Stopped
        return item.frame()


def _unreadable(error: BaseException) -> UndecodableMedia:
    return UndecodableMedia(f"the video cannot be rendered: {type(error).__name__}")


__all__ = ["Film"]
