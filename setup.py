"""Build of the compiled kernels; everything else about the package is in pyproject.toml."""

import os
import platform
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

PACKAGES = sorted(os.path.dirname(path).replace(os.sep, ".") for path in glob("hpcdvc/**/__init__.py", recursive=True))

# No -ffast-math, which computes something else, and no -march=native: a build runs on every machine of a cluster.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-ffp-contract=fast", "-Wno-psabi"]

X86 = platform.machine().lower() in ("x86_64", "amd64")

# Instruction sets: name -> (vector length in floats, flags). The kernel picks one at run time.
VARIANTS = {"v1": (4, [])}
if X86:
    VARIANTS["v3"] = (8, ["-march=x86-64-v3"])
    VARIANTS["v4"] = (8, ["-march=x86-64-v4", "-mprefer-vector-width=256"])

# Extensions that link a C source compiled once per instruction set.
VARIANT_SOURCES = {
    "hpcdvc.kernels.deform": "cython/tiles.c",
    "hpcdvc.kernels.registration": "cython/correlate.c",
    "hpcdvc.kernels.whole": "cython/sums.c",
}


def listed(pattern):
    """Files that match the pattern; stops the build where there are none, instead of making an empty package."""
    files = sorted(glob(pattern))
    if not files:
        raise SystemExit(f"setup.py: no file matches {pattern}, run it in a complete source tree of hpcdvc")
    return files


def extensions():
    """One extension per .pyx file; an edit of any shared header or of the flags rebuilds them."""
    shared = sorted(glob("cython/*.px[di]") + glob("cython/*.h")) + ["setup.py"]
    result = []
    for source in listed("cython/*.pyx"):
        name = "hpcdvc.kernels." + os.path.basename(source).removesuffix(".pyx")
        variant_sources = [VARIANT_SOURCES[name]] if name in VARIANT_SOURCES else []
        result.append(
            Extension(
                name,
                [source],
                depends=shared + variant_sources,
                include_dirs=["cython"],
                define_macros=[("HPCDVC_X86", "1")] if X86 else [],
                extra_compile_args=FLAGS,
            )
        )
    return result


class BuildKernels(build_ext):
    """build_ext that first compiles the variants of an extension's C source and links them into it."""

    def finalize_options(self):
        """Keep the generated C out of cython/; an option of setup() would be forgotten by editable installs."""
        super().finalize_options()
        self.cython_c_in_temp = True

    def build_extension(self, extension):
        """Compile the variants that are out of date, then the extension."""
        source = VARIANT_SOURCES.get(extension.name)
        if source:
            extension.extra_objects = [self.compile_variant(extension, source, name) for name in VARIANTS]
        super().build_extension(extension)

    def compile_variant(self, extension, source, name):
        """Compile the source for one instruction set; returns the path of the object file."""
        length, flags = VARIANTS[name]
        folder = os.path.join(self.build_temp, name)
        (target,) = self.compiler.object_filenames([source], output_dir=folder)
        if self.force or newer_group([source, *extension.depends], target):
            self.compiler.compile(
                [source],
                output_dir=folder,
                macros=[*extension.define_macros, ("VL", str(length)), ("VARIANT", name)],
                include_dirs=extension.include_dirs,
                extra_postargs=FLAGS + flags,
            )
        return target


setup(
    packages=PACKAGES,
    ext_modules=extensions(),
    scripts=listed("bin/hpcdvc-*"),
    cmdclass={"build_ext": BuildKernels},
)
