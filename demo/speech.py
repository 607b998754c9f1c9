"""A spoken sentence for the demo's own clip, from espeak-ng where the package that carries it is installed."""

from __future__ import annotations

import ctypes

import numpy as np

RETRIEVE, UTF8, RATE = 1, 1, 1
"""espeak-ng's AUDIO_OUTPUT_RETRIEVAL, espeakCHARS_UTF8 and espeakRATE (its speak_lib.h)."""
WORDS_A_MINUTE = 140
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def say(text: str, voice: str = "en-us") -> tuple[np.ndarray, int] | None:
    """The words as int16 samples [n] with their rate in Hz; None where no synthesiser can be had."""
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError):
        return None
    heard: list[np.ndarray] = []

    @_Callback
    def collect(samples: object, count: int, _events: object) -> int:
        if samples and count:
            heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    rate = library.espeak_Initialize(RETRIEVE, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        return None
    library.espeak_SetSynthCallback(collect)
    library.espeak_SetVoiceByName(voice.encode())
    library.espeak_SetParameter(RATE, WORDS_A_MINUTE, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, UTF8, None, None)
    library.espeak_Synchronize()
    return (np.concatenate(heard), rate) if heard else None


__all__ = ["say"]
