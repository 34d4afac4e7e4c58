#!/usr/bin/env bash
# h5py with MPI, built against Debian's Open MPI and HDF5 in an environment of its own (two minutes).
. .ci/common.sh
need_packages gcc openmpi-bin libopenmpi-dev libhdf5-openmpi-dev hdf5-tools pkg-config
export HPCDVC_VENV=.venv/parallel-hdf5 MPIEXEC=mpiexec.openmpi
python=$HPCDVC_VENV/bin/python
make tools
if ! $python -c 'import h5py, sys; sys.exit(not h5py.get_config().mpi)'; then
    $python -m pip install -qq pkgconfig
    # Without isolation, or pip compiles an old mpi4py; without cache, or this build would turn up elsewhere.
    CC=mpicc HDF5_MPI=ON HDF5_DIR=/usr/lib/$(gcc -print-multiarch)/hdf5/openmpi \
        $python -m pip install -qq --no-build-isolation --no-cache-dir --no-binary=h5py --no-deps --force-reinstall h5py
fi
echo "the whole MPI suite, with Open MPI and this h5py"
must_pass $HPCDVC_VENV/bin/mpiexec -n 2 $python -m pytest --with-mpi -m mpi -p no:cacheprovider
must_pass $python -m pytest tests/output/test_hdf5_transports.py
for ranks in 1 2 3; do
    echo "parallel writing, $ranks rank(s)"
    HPCDVC_HDF5=parallel must_pass $HPCDVC_VENV/bin/mpiexec -n $ranks $python -m pytest --with-mpi -m mpi -p no:cacheprovider \
        tests/output/test_hdf5_transports.py
done
