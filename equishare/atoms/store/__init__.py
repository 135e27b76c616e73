"""Frames on disk, for data that are larger than memory: converted once (`writing`), then read as they are needed (`stored`)."""

from equishare.atoms.store.opening import open_frames
from equishare.atoms.store.stored import FrameStore
from equishare.atoms.store.stored_frame import StoredFrame
from equishare.atoms.store.tables import StoreError
from equishare.atoms.store.writing import convert

__all__ = ["FrameStore", "StoreError", "StoredFrame", "convert", "open_frames"]
