"""A user's own reconstruction in the loop: `module:function`, or a function, with the contract of mumott's pipelines.

Rank 0 calls it with the keywords `data_container`, `use_gpu`, `use_absorbances`, `no_tqdm` and those of the user,
and returns a dict: `result` with the volume `x`, (X, Y, Z) or (X, Y, Z, channels); and where it likes `projector`,
whose `forward(x)` gives the projections, `absorbances` (n, J, K, 1) with which they are compared, and `weights`
(n, J, K, 1) of these. Where no absorbances are wanted, the mean of `data_container.data` over its channels is what is
compared with that of the projections, to which the `forward` of a `basis_set` is applied before.
"""

import sys
from collections.abc import Callable
from importlib import import_module

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.tomography.beams import forward
from hpcdvc.tomography.centres import centre_of_mass
from hpcdvc.tomography.container import Container, mumott_container
from hpcdvc.tomography.joined import joined_on_root
from hpcdvc.tomography.level import Level, Seen
from hpcdvc.tomography.reconstruct import BUILT_IN
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings


def check_function(settings: AlignSettings) -> None:
    """Whether the reconstruction that settings name is there.

    Raises
    ------
    UserError
        There is no such module or function, or views are to be binned for it.
    """
    if settings.reconstruction in BUILT_IN:
        return
    function_of(settings.reconstruction)
    if set(settings.bins) - {1}:
        raise UserError("a reconstruction of your own takes views as they are: leave out their binning")


def function_of(reconstruction: str | Callable) -> Callable:
    """The function that "module:function" names; UserError where there is none."""
    if callable(reconstruction):
        return reconstruction
    module, _, name = str(reconstruction).partition(":")
    if not name:
        raise UserError(
            f"the reconstruction {quoted(reconstruction)} is not known: {', '.join(BUILT_IN)}, or module:function"
        )
    if "" not in sys.path:  # a module beside the scan, as python -m would find it
        sys.path.append("")
    try:
        function = getattr(import_module(module), name, None)
    except Exception as error:  # whatever a module of the user's does while it is imported
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{module} of the reconstruction {reconstruction} cannot be imported: {said}") from error
    if not callable(function):
        raise UserError(f"{module} has no function {name}, which is to reconstruct")
    return function


class ForeignLevel(Level):
    """Views whose volume a user's function makes, on rank 0. Its methods are collective; see `Level`."""

    def __init__(self, scan: Scan, *words):
        super().__init__(scan, *words)
        self._own = getattr(scan.views, "container", None)  # a DataContainer of mumott

    def seen(self, offsets: np.ndarray) -> Seen:
        """See `Level`."""
        views, weights = (joined_on_root(self.team, array) for array in (self.views, self.weights))
        kept: list[np.ndarray] = []

        def made() -> tuple[np.ndarray, ...]:
            volume, *images = self._made(views, weights, offsets)
            kept.append(volume)
            return tuple(images)

        images = self.team.agree(made)
        own = slice(self.projector.own_views.start, self.projector.own_views.stop)
        volume = kept[0] if kept else np.empty((0, 0, 0), np.float32)
        return Seen(volume, *(np.ascontiguousarray(array[own]) for array in images))

    def _made(self, views: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
        """Volume, projections, what they are compared with, and its weights; on rank 0."""
        settings = self.settings
        arguments = {"use_gpu": False, "use_absorbances": self.scan.absorbances, "no_tqdm": True}
        arguments |= settings.reconstruction_kwargs
        if "data_container" not in arguments:
            arguments["data_container"] = self._container_of(views, weights, offsets)
        found = function_of(settings.reconstruction)(**arguments)
        x, volume = self._volume_of(found)
        if not arguments["use_absorbances"]:
            views = arguments["data_container"].data
        elif "absorbances" in found:
            views = found["absorbances"]
        projector = found.get("projector")
        if projector is None:
            projections = forward(volume, self.geometry, *offsets)
        elif hasattr(projector, "forward"):
            projections = projector.forward(x)
        else:
            raise UserError(f"the projector of {_name(settings.reconstruction)} has no method forward")
        if "basis_set" in found and not arguments["use_absorbances"]:
            projections = found["basis_set"].forward(projections)
        if "weights" in found:
            weights = (self._images("weights", found["weights"]) > 0).all(axis=3)
        means = (self._images(*pair).mean(axis=3) for pair in (("projections", projections), ("views", views)))
        return volume, *means, weights.astype(np.float32)

    def _container_of(self, views: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> object:
        """What the function gets as `data_container`, with these offsets."""
        if self._own is None and _module(self.settings.reconstruction).partition(".")[0] == "mumott":
            self._own = mumott_container(self.scan, views, weights)
        if self._own is None:
            return Container(self.scan.geometry, views, weights, *offsets)
        self._own.geometry.j_offsets, self._own.geometry.k_offsets = (list(row) for row in offsets)
        return self._own

    def _volume_of(self, found: object) -> tuple[np.ndarray, np.ndarray]:
        """What a function has made, as it is and as the (X, Y, Z) of its first channel."""
        name, size = _name(self.settings.reconstruction), tuple(self.geometry.volume)
        try:
            x = np.asarray(found["result"]["x"])
        except (KeyError, TypeError, IndexError) as error:
            raise UserError(f"{name} must return a dict with the volume as ['result']['x']") from error
        if x.shape[:3] != size or x.ndim > 4 or not x.size or x.dtype.kind not in "biuf":
            raise UserError(f"{name} returns a volume of shape {x.shape} ({x.dtype}), where numbers {size} are meant")
        volume = np.asarray(x.reshape(*size, -1)[..., 0], np.float32)
        if not np.isfinite(volume).all():
            raise UserError(f"{name} returns a volume that holds NaN or infinity")
        return x, volume

    def _images(self, what: str, values: object) -> np.ndarray:
        """(n, J, K, channels) float32 of what a function has returned."""
        wanted, values = (self.geometry.views, *self.geometry.shape), np.asarray(values)
        if values.shape[:3] != wanted or values.ndim > 4 or not values.size or values.dtype.kind not in "biuf":
            name = _name(self.settings.reconstruction)
            raise UserError(f"{name} returns {what} of shape {values.shape}, where {wanted} is meant")
        images = values.reshape(*wanted, -1).astype(np.float32)
        if not np.isfinite(images).all():
            raise UserError(f"{_name(self.settings.reconstruction)} returns {what} that hold NaN or infinity")
        return images

    def gather(self, volume: np.ndarray) -> np.ndarray | None:
        """See `Level`."""
        return volume if self.team.rank == 0 else None

    def centre_of_mass(self, volume: np.ndarray) -> np.ndarray:
        """See `Level`."""
        return self.team.agree(lambda: centre_of_mass(volume))


def _module(reconstruction: str | Callable) -> str:
    return reconstruction.partition(":")[0] if isinstance(reconstruction, str) else reconstruction.__module__ or ""


def _name(reconstruction: str | Callable) -> str:
    return reconstruction if isinstance(reconstruction, str) else getattr(reconstruction, "__name__", "the function")


def level_of(settings: AlignSettings) -> type[Level]:
    """The kind of level that a reconstruction needs."""
    return Level if settings.reconstruction in BUILT_IN else ForeignLevel
