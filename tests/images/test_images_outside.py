"""Only regular files are opened, and nothing is read that lies elsewhere than beside the file that was named."""

import os
import struct
import subprocess
import sys

import pytest
from test_images import SHAPE, check_volume, texture
from test_images_refused import refused
from test_tiff_pages import write_micromanager

from hpcdvc.images import describe

h5py = pytest.importorskip("h5py")
tifffile = pytest.importorskip("tifffile")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder within another one, both with a file of voxels of the same name."""
    (tmp_path / "scan" / "run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "scan" / "run")
    texture().tofile("../raw.bin")
    texture()[::-1].tofile("raw.bin")
    texture()[::-1].tofile("../../raw.bin")


def sentences(*specs: str) -> list[str]:
    """What is wrong with volumes, found in a process that is ended after a while: a pipe is waited for without end."""
    code = (
        "import sys; from hpcdvc.images import describe\n"
        "for spec in sys.argv[1:]:\n"
        "    try: print(describe(spec))\n"
        "    except ValueError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code, *specs], capture_output=True, text=True, timeout=20, check=True)
    return ended.stdout.splitlines()


def external(name: str, path: str = "../scan.h5"):
    """A file whose voxels are in another one."""
    with h5py.File(path, "w") as file:
        file.create_dataset("d", SHAPE, "u2", external=[(name, 0, h5py.h5f.UNLIMITED)])
    return path


def test_external_voxels_are_those_beside_the_file(monkeypatch):
    """HDF5 looks into the working folder."""
    info = check_volume(external("raw.bin"), texture(), mapped=False)
    assert info.files == ("../scan.h5", "../raw.bin")
    assert info.notes == ("its voxels are read from ../raw.bin",)
    os.rename("raw.bin", "part.bin")
    check_volume(external("run/part.bin"), texture()[::-1], mapped=False)
    check_volume(external(os.path.abspath("../raw.bin")), texture(), mapped=False)


@pytest.mark.parametrize("way", ["up", "absolute", "link"])
def test_external_voxels_elsewhere_are_refused(way):
    names = {"up": "../raw.bin", "absolute": os.path.abspath("../../raw.bin"), "link": "link.bin"}
    os.symlink("../raw.bin", "../link.bin")
    refused(external(names[way]), repr(names[way])[:70], "not in the folder of ../scan.h5")


def test_external_voxels_in_a_folder_that_the_user_names(monkeypatch):
    monkeypatch.setenv("HDF5_EXTFILE_PREFIX", os.path.abspath("../.."))
    refused(external("../raw.bin"), "not in the folder")
    os.rename("../../raw.bin", "../../other.bin")
    assert describe(external("other.bin")).files[1] == os.path.abspath("../../other.bin")


def test_external_voxels_of_a_source_are_refused():
    external("raw.bin", "scan.h5")
    with h5py.File("virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(SHAPE, "u2")
        layout[:] = h5py.VirtualSource("scan.h5", "d", SHAPE)
        file.create_virtual_dataset("v", layout)
    refused("virtual.h5", "scan.h5:d, whose numbers cannot be read")


def test_links_to_another_folder_are_said():
    with h5py.File("../scan.h5", "w") as file:
        file["d"] = texture()
    with h5py.File("master.h5", "w") as file:
        file["link"] = h5py.ExternalLink("../scan.h5", "/d")
        layout = h5py.VirtualLayout(SHAPE, "u2")
        layout[:] = h5py.VirtualSource("../scan.h5", "d", SHAPE)
        file.create_virtual_dataset("v", layout)
    for name in "link", "v":
        assert "voxels are read from" in check_volume(f"master.h5:{name}", texture(), name == "link").notes[0]
    os.rename("master.h5", "../master.h5")
    os.rename("../scan.h5", "scan.h5")
    with h5py.File("../master.h5", "a") as file:
        file["below"] = h5py.ExternalLink("run/scan.h5", "/d")
    assert check_volume("../master.h5:below", texture(), mapped=True).notes == ()


OME = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="48" SizeY="32" SizeZ="{0}" SizeC="1" SizeT="1">'
    "{1}</Pixels></Image></OME>"
)


def write_ome(path, planes, data):
    """Seven pages under an OME header."""
    with tifffile.TiffWriter(path) as file:
        for z, page in enumerate(texture()):
            file.write(page, description=None if z else OME.format(planes, data), metadata=None, contiguous=False)


def test_ome_planes_of_other_files():
    with tifffile.TiffWriter("secret.tif") as file:
        for page in texture()[::-1]:
            file.write(page, metadata=None, contiguous=False)
    os.mkfifo("pipe")
    names = ["secret.tif", "../run/secret.tif", os.path.abspath("secret.tif"), "pipe", "gone.tif"]
    uuid = '<TiffData IFD="{0}" FirstZ="{0}" PlaneCount="1"><UUID FileName="{1}">urn:uuid:{2}</UUID></TiffData>'
    for k, name in enumerate(names):
        write_ome(f"{k}.tif", 7, "".join(uuid.format(z, name, int(z == 6)) for z in range(7)))
    for k, said in enumerate(sentences(*(f"{k}.tif" for k in range(len(names))))):
        start = f"{k}.tif is one part of an image in several files, its header (OME) takes planes from "
        assert said.startswith(start + repr(names[k])[:70])
    write_ome("v.tif", 7, "".join(uuid.format(z, "renamed.tif", 0) for z in range(7)))
    check_volume("v.tif", texture(), mapped=False)


def test_micromanager_stack_that_goes_on_beside_it():
    write_micromanager("a_MMStack_Pos0.tif", texture(), planned=12)
    os.mkfifo("a_MMStack_Pos0_1.tif")
    (said,) = sentences("a_MMStack_Pos0.tif")
    assert "a_MMStack_Pos0.tif is one part of an image in several files (Micro-Manager)" in said


def test_micromanager_stack_whose_index_is_another_file():
    write_micromanager("a.tif", texture())
    with open("a.tif", "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<IIIII", 483729, 3, 0, 2355492, 0))
    os.mkfifo("NDTiff.index")
    (said,) = sentences("a.tif")
    assert said.startswith("a.tif is one part of a data set, whose order is in") and "NDTiff.index" in said


def test_pipes_are_not_waited_for():
    os.mkfifo("pipe")
    os.mkdir("slices")
    for k in range(3):
        tifffile.imwrite(f"slices/{k}.tif", texture()[k])
    os.mkfifo("slices/3.tif")
    with h5py.File("master.h5", "w") as file:
        file["link"] = h5py.ExternalLink("pipe", "/d")
        file["soft"] = h5py.SoftLink("/link/d")
        layout = h5py.VirtualLayout(SHAPE, "u2")
        layout[:] = h5py.VirtualSource("pipe", "d", SHAPE)
        file.create_virtual_dataset("v", layout)
    with h5py.File("default.h5", "w") as file:
        file["link"], file.attrs["default"] = h5py.ExternalLink("pipe", "/d"), "link/d"
    external("pipe", "scan.h5")
    specs = ("slices", "master.h5:link", "master.h5:soft", "master.h5:v", "default.h5", "scan.h5", "pipe", "/dev/zero")
    said = sentences(*specs)
    assert said[0] == "slices/3.tif is no regular file" and len(said) == len(specs)
    assert all("no regular file" in sentence and spec in sentence for spec, sentence in zip(specs, said, strict=True))


def test_links_in_circles():
    with h5py.File("v.h5", "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
        file["own"] = h5py.ExternalLink("v.h5", "/own")
    refused("v.h5:a", "/b, which is not there")
    refused("v.h5:own", "v.h5:/own, which is not there")
