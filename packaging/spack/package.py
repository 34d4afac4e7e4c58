# Spack package. In a repository of packages it is packages/py-hpcdvc/package.py (py_hpcdvc in Spack 1.0 and newer):
#
#   spack repo create ~/hpcdvc-repo hpcdvc && spack repo add ~/hpcdvc-repo
#   mkdir -p ~/hpcdvc-repo/packages/py-hpcdvc && cp packaging/spack/package.py ~/hpcdvc-repo/packages/py-hpcdvc/
#   spack develop --path /path/to/this/source/tree py-hpcdvc@0.1.0    # in an environment; it is built from that tree
#   spack add py-hpcdvc && spack install
from spack.package import *


class PyHpcdvc(PythonPackage):
    """MPI-parallel command-line suite for Digital Volume Correlation."""

    # built from a source tree (spack develop), or from an archive that was made by `python -m build --sdist`
    manual_download = True

    license("BSD-3-Clause")

    version("0.1.0")

    variant("parallel_hdf5", default=False, description="All ranks write the result together (HPCDVC_HDF5=parallel)")
    variant("gui", default=False, description="Commands with a page in the browser")

    depends_on("c", type="build")
    depends_on("python@3.11:", type=("build", "run"))
    depends_on("py-setuptools@77:", type="build")
    depends_on("py-cython@3.1:", type="build")
    depends_on("mpi", type=("build", "run"))

    depends_on("py-numpy@1.24:", type="run")
    depends_on("py-scipy@1.10:", type="run")
    depends_on("py-h5py@3.7:", type="run")
    depends_on("py-h5py+mpi", when="+parallel_hdf5", type="run")
    depends_on("py-tifffile@2022.8:", type="run")
    depends_on("py-mpi4py@3.1:", type="run")
    depends_on("py-imagecodecs", type="run")
    depends_on("py-matplotlib", type="run")
    depends_on("py-meshio", type="run")
    depends_on("py-pyamg", type="run")
    depends_on("py-pyyaml", type="run")
    depends_on("py-scikit-image", type="run")

    depends_on("py-pillow", when="+gui", type="run")
    depends_on("py-tornado@6.3:", when="+gui", type="run")

    import_modules = ["hpcdvc", "hpcdvc.kernels", "hpcdvc.options", "hpcdvc.workflows"]

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_commands(self):
        """Run what needs no data."""
        Executable(self.prefix.bin.hpcdvc)("--version")
        Executable(join_path(self.prefix.bin, "hpcdvc-ldic"))("--help")
