"""One segment's pictures: all of them once, then again with what a proof wants covered."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

from deployments.engines.video_render.clip import Known
from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.cut import GRID_MS
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.readers import Readers
from deployments.engines.video_render.scene import Picture, Scene
from deployments.engines.video_render.segments import Writer
from deployments.errors import UndecodableMedia
from deployments.operation import Inputs, Plan, Stopped, Tools


@dataclass(frozen=True, slots=True)
class Stage:
    """What the segments of a render share: the files that are open, and the cells that hide faces."""

    inputs: Inputs
    tools: Tools
    known: Known
    readers: Readers

    @classmethod
    def of(cls, inputs: Inputs, tools: Tools) -> Stage:
        return cls(inputs, tools, Known(), Readers(inputs, tools.settings.threads))


class Film:
    """A segment, in the scratch folder."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.plan = plan
        self._stage = stage

    def shoot(self, shot: Callable[[], None]) -> Notes:
        """Every frame, once; `shot` is called after each. Raises UndecodableMedia, BackendUnavailable, Stopped."""
        parameters = self.plan.parameters
        path, writer = self._writer()
        notes = Notes(path, parameters["leader"]["matrix"], writer.time_base)
        begin = parameters["index"] * GRID_MS
        last = round(Fraction(begin, 1000) / notes.time_base) - 1
        with _readable():
            scene = self._scene(self._stage.readers)
            with closing(scene.pictures()) as pictures:
                for item in pictures:
                    frame = self._frame(item)
                    last = max(last + 1, round(item.at / notes.time_base))
                    shown = item.shown()
                    tracks = {
                        (number, track): side
                        for number, clip, seen in shown
                        for track, side in clip.tracked(seen, float(item.at * 1000)).items()
                    }
                    notes.frame(frame, last, shown[0][0] if shown else -1, tracks)
                    writer.put(frame, last)
                    shot()
            notes.delay = writer.close()
        notes.painted, notes.lasts = scene.painted, scene.lasts
        return notes

    def again(self, notes: Notes, covers: Sequence[Cover]) -> None:
        """The same frames with covers over them. Raises as `shoot` does."""
        _, writer = self._writer()
        with _readable():
            count = 0
            for item in self.pictures(cover=covers):
                writer.put(self._frame(item), notes.pts[item.number])
                count += 1
            notes.delay = writer.close()
        if count != len(notes.pts):
            raise UndecodableMedia("the video gives other frames when it is read from its middle")

    def pictures(self, *, painted: bool = True, cover: Sequence[Cover] = ()) -> Generator[Picture, None, None]:
        """Every picture, made anew, beside a pass that is under way."""
        readers = Readers(self._stage.inputs, self._stage.tools.settings.threads)
        try:
            with closing(self._scene(readers, painted, cover).pictures()) as pictures:
                yield from pictures
        finally:
            readers.close()

    def _scene(self, readers: Readers, painted: bool = True, cover: Sequence[Cover] = ()) -> Scene:
        stage = self._stage
        return Scene(self.plan, stage.inputs, readers, known=stage.known, painted=painted, cover=cover)

    def _writer(self) -> tuple[Path, Writer]:
        encoder = self.plan.parameters["encoder"]
        path = self._stage.tools.scratch / f"segment{self.plan.parameters['index']:05}.{encoder['container']}"
        path.unlink(missing_ok=True)
        return path, Writer(self.plan, path)

    def _frame(self, item: Picture) -> VideoFrame:
        if self._stage.tools.stop.is_set():
            raise Stopped
        return item.frame()


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, EOFError) as error:
        raise UndecodableMedia(f"the video cannot be rendered: {type(error).__name__}") from error


__all__ = ["Film", "Stage"]
