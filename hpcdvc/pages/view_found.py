"""The images that a result names, or the field that it was made from, where their files are there and the same."""

import os
from collections.abc import Callable
from typing import TypeVar

from hpcdvc.errors import RunError, UserError
from hpcdvc.images import RawLayout, VolumeInfo, describe, identity
from hpcdvc.output.files import check_regular
from hpcdvc.pages.residual import image_names, is_that
from hpcdvc.pages.result_file import ResultFile, open_result
from hpcdvc.pages.view_images import Images
from hpcdvc.runs.inputs import Seen

#: What a result calls the image of its labels.
LABELS = ("labels", "labels1", "label_image", "lab1")
Found = TypeVar("Found")


def found_images(images: Images, result: ResultFile) -> Images:
    """The same, with what the result names where the command line names none; its files have not changed since."""
    labels, labelled = images.labels or _label_image(result), "label" in result.columns
    if not images.im1 or (labelled and not labels):
        found = _named_images(result)
        labels = labels or (found.labels if labelled else None)
        images = images if images.im1 else found
    return Images(images.im1, images.im2, labels, images.why)


def _named_images(result: ResultFile) -> Images:
    """Those of the result, or else of its field; or why there are none."""
    names, known = image_names(result), result.metadata.get("parameters") or {}
    if result.kind == "image" and isinstance(known.get("im1"), str) and isinstance(known.get("im2"), str):
        names = known["im1"], known["im2"]
    if not known:
        names = "the file does not name the images: --images does"
    try:
        if not isinstance(names, str):
            look = _image_of(result)
            return Images(*(_same(name, result, told, look) for name, told in zip(names, ("im1", "im2"), strict=True)))
        return _images_of_field(result) or Images(why=names)
    except (UserError, RunError) as error:
        return Images(why=f"without images: {error}")


def _images_of_field(result: ResultFile) -> Images | None:
    """Those of the field that it was made from, as strain is; of a field that was filtered those of the one before.

    Returns
    -------
    None where there is no such field, or the motion is not between its images: it was measured from it as a start, its
    voxels are others, it was taken from another image, or a registration was subtracted

    Raises
    ------
    UserError
        The field is gone, another one now, or a table, which names no images.
    """
    parameters, provenance = (result.metadata.get(name) or {} for name in ("parameters", "provenance"))
    spec, im1 = parameters.get("phi_file"), provenance.get("im1")
    other = "im2" in provenance or "registration" in provenance
    if other or not isinstance(spec, str) or parameters.get("phi_file_bin_ratio", 1) != 1:
        return None
    with open_result(_same(spec, result, "phi_file", _table)) as field:
        found = found_images(Images(), field)
    if found.im1 and (found.im1.shape != found.im2.shape or not (im1 is None or is_that(identity(found.im1), im1))):
        return None
    return found


def _label_image(result: ResultFile) -> VolumeInfo | None:
    """Where there are labels: the image that they were measured in."""
    parameters = result.metadata.get("parameters") or {}
    provenance = result.metadata.get("provenance") or {}
    for name in LABELS if "label" in result.columns else ():
        told = provenance.get(name) if isinstance(provenance.get(name), dict) else {}
        spec = parameters.get(name) or told.get("name")
        if isinstance(spec, str):
            try:
                return _same(spec, result, name, _image_of(result))
            except (UserError, RunError):
                return None
    return None


def _same(spec: str, result: ResultFile, told: str, look: Callable[[str], tuple[Found, dict]]) -> Found:
    """A file that a result was made from, from here or beside the result, as `look` finds it.

    Raises
    ------
    UserError
        It is gone, or another one now.
    """
    folder = os.path.dirname(result.path)
    known = (result.metadata.get("provenance") or {}).get(told)
    missing = None
    for path in dict.fromkeys((spec, os.path.join(folder, spec), os.path.join(folder, os.path.basename(spec)))):
        try:
            found, now = look(path)
        except UserError as error:
            missing = missing or error
            continue
        if is_that(now, known):
            return found
        missing = UserError(f"{path} is not the {'field' if look is _table else 'image'} that the result was made from")
    raise missing


def _image_of(result: ResultFile) -> Callable[[str], tuple[VolumeInfo, dict]]:
    """Look at an image; raw ones are what the result was told that they are."""
    told = RawLayout.told(result.metadata.get("parameters") or {})

    def look(path: str) -> tuple[VolumeInfo, dict]:
        info = describe(path, raw_layout=told)
        return info, identity(info)

    return look


def _table(path: str) -> tuple[str, dict]:
    check_regular(path)
    return path, Seen.now(path).identity
