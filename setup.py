"""Build of the compiled kernels, and of the manual pages; everything else about the package is in pyproject.toml.

The rule: `cython/<group>/<name>.pyx` becomes the extension `hpcdvc.kernels.<name>`. A file `<name>_kernels.c` beside
it is compiled once per instruction set and linked into it. Headers are found in the folder of the group and in
`cython/common/`; `records_<group>.h` is made of `hpcdvc/kernels/records.py`. A new group needs its files, and nothing
here.
"""

import os
import platform
import re
import runpy
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

from distutils.command.install_data import install_data  # isort: skip  # that of setuptools, which comes first

PACKAGES = sorted(os.path.dirname(path).replace(os.sep, ".") for path in glob("hpcdvc/**/__init__.py", recursive=True))

X86 = platform.machine().lower() in ("x86_64", "amd64")

# No -ffast-math, which computes something else, and no -march=native: a build runs on every machine of a cluster.
FLAGS = ["-O3", "-g0"]
FLAGS += ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-ffp-contract=fast", "-Wno-psabi"]
WRAPPER_FLAGS = ["-O1", "-g0"]

# Instruction sets: name -> (vector length in floats, flags). One is picked at run time.
INSTRUCTION_SETS = {"v1": (4, [])}
if X86:
    INSTRUCTION_SETS["v3"] = (8, ["-march=x86-64-v3"])
    INSTRUCTION_SETS["v4"] = (8, ["-march=x86-64-v4", "-mprefer-vector-width=256"])
# Extensions that v4 was measured to pay for: windows take 4 to 6 % less time, sums over tetrahedra 5 to 10 %, those of
# other modalities 10 %. Others, that gain nothing, use v3 in its place, and give the same bits.
WITH_V4 = {"hpcdvc.kernels.registration", "hpcdvc.kernels.fem", "hpcdvc.kernels.multimodal"}

RECORDS = "hpcdvc/kernels/records.py"
# Not the build_temp of setuptools, which editable installs make anew each time.
FOLDER = os.path.join("build", f"kernels-{sysconfig.get_platform()}-{sys.implementation.cache_tag}")


def listed(pattern):
    """Files that match the pattern; stops the build where there are none, instead of making an empty package."""
    files = sorted(glob(pattern))
    if not files:
        raise SystemExit(f"setup.py: no file matches {pattern}, run it in a complete source tree of hpcdvc")
    return files


def depends_on(source, folders):
    """The file and all that it includes."""
    found, waiting = set(), [source]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        with open(path, encoding="utf-8") as file:
            names = re.findall(r'^\s*(?:#include|include|cdef extern from) "(.+)"', file.read(), re.MULTILINE)
        for name in names:
            paths = [os.path.join(folder, name) for folder in (*folders, FOLDER)]
            waiting += [path for path in paths if os.path.exists(path)][:1]
    return sorted(found)


def write_records():
    """Make the headers of records; the date of one stays where nothing in it has changed."""
    os.makedirs(FOLDER, exist_ok=True)
    declared = runpy.run_path(RECORDS)
    for group in declared["GROUPS"]:
        path, text = os.path.join(FOLDER, f"records_{group}.h"), declared["c_header"](group)
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


def extensions():
    """One extension per .pyx file, with the C source that is compiled once per instruction set as `variants`."""
    write_records()
    result = []
    for source in listed("cython/*/*.pyx"):
        stem, folders = source.removesuffix(".pyx"), [os.path.dirname(source), "cython/common"]
        variants = glob(stem + "_kernels.c")
        files = {path for part in (source, *variants) for path in depends_on(part, folders)}
        extension = Extension(
            "hpcdvc.kernels." + os.path.basename(stem),
            [source],
            depends=[*sorted(files), "setup.py"],
            include_dirs=[*dict.fromkeys(folders), FOLDER],
            define_macros=[("HPCDVC_X86", "1")] if X86 else [],
        )
        extension.variants = variants
        result.append(extension)
    return result


def sets_of(extension):
    """Instruction sets that the C source of an extension is compiled for; none without one."""
    return [name for name in INSTRUCTION_SETS if extension.variants and (name != "v4" or extension.name in WITH_V4)]


class BuildKernels(build_ext):
    """build_ext that compiles all files of all extensions side by side, and only what has changed."""

    def build_extensions(self):
        """Compile what is out of date, then link."""
        stale = [e for e in self.extensions if self.is_stale([*e.sources, *e.depends], self.get_ext_fullpath(e.name))]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2) as pool:
            try:
                self.build_all(stale, pool)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def is_stale(self, sources, target):
        """Whether a file is older than what it is made of."""
        return self.force or newer_group(sources, target, "newer")

    def build_all(self, stale, pool):
        """Compile by the pool, while Cython makes further C files here."""
        from Cython.Build import cythonize

        objects = {
            extension.name: [pool.submit(self.compile_variant, extension, name) for name in sets_of(extension)]
            for extension in stale
        }
        for extension in stale:
            (made,) = cythonize(
                extension, build_dir=FOLDER, include_path=extension.include_dirs, force=self.force, quiet=True
            )
            objects[extension.name].append(pool.submit(self.compile_wrapper, extension, made.sources))
        for extension in stale:
            path = self.get_ext_fullpath(extension.name)
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            self.compiler.link_shared_object([job.result() for job in objects[extension.name]], path, target_lang="c")

    def compile_variant(self, extension, name):
        """Compile the C source for one instruction set; returns the path of the object file."""
        length, flags = INSTRUCTION_SETS[name]
        macros = [("VL", str(length)), ("VARIANT", name)]
        return self.compile_one(extension, extension.variants, extension.depends, name, macros, FLAGS + flags)

    def compile_wrapper(self, extension, sources):
        """Compile what Cython has made; returns the path of the object file."""
        macros = [(f"HPCDVC_WITH_{name.upper()}", "1") for name in sets_of(extension)]
        return self.compile_one(extension, sources, [*sources, *extension.depends], "", macros, WRAPPER_FLAGS)

    def compile_one(self, extension, sources, depends, folder, macros, flags):
        """Compile a file if it is out of date."""
        folder = os.path.join(FOLDER, "objects", folder)
        (target,) = self.compiler.object_filenames(sources, output_dir=folder)
        if self.is_stale(depends, target):
            self.compiler.compile(
                sources,
                output_dir=folder,
                macros=[*extension.define_macros, *macros],
                include_dirs=extension.include_dirs,
                extra_postargs=flags,
            )
        return target


#: How the addresses of CITATION.cff are called in the metadata of a package.
ADDRESSES = {"url": "Homepage", "repository-code": "Source", "repository-artifact": "Download"}


def project_urls():
    """Addresses of the project: those that CITATION.cff knows, where they stand once."""
    with open("CITATION.cff", encoding="utf-8") as file:
        found = re.findall(rf'^({"|".join(ADDRESSES)}): "?(https://[^\s"]+)', file.read(), re.MULTILINE)
    return {ADDRESSES[name]: address for name, address in found}


class InstallShared(install_data):
    """install_data that makes manual pages and completions of the declared options, and installs them too."""

    def run(self):
        """Write them below build/ and install them with the job files."""
        sys.path.insert(0, os.getcwd())
        from hpcdvc.__main__ import shared_files

        for path, text in shared_files():
            made = os.path.join("build", path)
            os.makedirs(os.path.dirname(made), exist_ok=True)
            with open(made, "w", encoding="utf-8") as file:
                file.write(text)
            self.data_files.append((os.path.dirname(path), [made]))
        super().run()


setup(
    packages=PACKAGES,
    project_urls=project_urls(),
    ext_modules=extensions(),
    scripts=listed("bin/hpcdvc*"),
    data_files=[("share/hpcdvc/slurm", listed("slurm/*.sbatch"))],
    cmdclass={"build_ext": BuildKernels, "install_data": InstallShared},
)
