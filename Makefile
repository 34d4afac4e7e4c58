# Every target first makes or updates the private environment; see .ci/bootstrap.sh for PYTHON, MPIEXEC, HPCDVC_VENV.
VENV := $(or $(HPCDVC_VENV),.venv)
BIN := $(VENV)/bin
PYTHON_HERE := $(BIN)/python

# What Python has compiled is kept, whatever the surroundings say: the tests start some thousand processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo extras tools test lint unit mpi slow bench docs clean
.NOTPARALLEL:

setup:
	@.ci/bootstrap.sh

# Every optional part.
extras:
	@.ci/bootstrap.sh all

tools:
	@.ci/bootstrap.sh test gui

demo: setup
	@$(PYTHON_HERE) tests/demo/demo.py

test: lint unit mpi

lint: tools
	$(BIN)/ruff check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint cython

# Tests run side by side: threads of BLAS would wait for each other most of the time.
unit slow: export OMP_NUM_THREADS = 1
unit slow: export OPENBLAS_NUM_THREADS = 1

# ParaView and SLURM are system packages: .ci/run installs them and runs their tests.
unit: tools
	$(PYTHON_HERE) -m pytest -n auto --dist worksteal -m "not mpi and not slow and not paraview" --ignore=tests/output/test_paraview.py --ignore=tests/commands/test_slurm.py --ignore=tests/commands/test_first_hour.py

# Many runs that are killed and gone on with.
slow: tools
	$(PYTHON_HERE) -m pytest -n auto --dist worksteal -m "slow and not mpi and not paraview" --ignore=tests/output/test_paraview.py --ignore=tests/commands/test_slurm.py --ignore=tests/commands/test_first_hour.py

mpi: tools
	@for ranks in 1 2 3; do \
	    echo "MPI suite, $$ranks rank(s)"; \
	    $(BIN)/mpiexec -n $$ranks $(PYTHON_HERE) -m pytest --with-mpi -m mpi -p no:cacheprovider || exit 1; \
	done

bench: tools
	@$(PYTHON_HERE) benchmarks/ldic.py
	@$(PYTHON_HERE) benchmarks/reg.py
	@$(PYTHON_HERE) benchmarks/deform.py
	@$(PYTHON_HERE) benchmarks/search.py
	@$(PYTHON_HERE) benchmarks/ddic.py
	@$(PYTHON_HERE) benchmarks/gdic.py
	@$(PYTHON_HERE) benchmarks/align.py
	@$(PYTHON_HERE) benchmarks/mmr.py
	@$(PYTHON_HERE) benchmarks/shifts.py
	@$(PYTHON_HERE) benchmarks/fields.py
	@$(PYTHON_HERE) benchmarks/strain.py
	@$(PYTHON_HERE) benchmarks/star.py
	@$(PYTHON_HERE) benchmarks/tables.py
	@$(PYTHON_HERE) benchmarks/structured.py
	@$(PYTHON_HERE) benchmarks/solve.py
	@$(PYTHON_HERE) benchmarks/shift.py
	@$(PYTHON_HERE) benchmarks/refine.py
	@$(PYTHON_HERE) benchmarks/stacks.py
	@$(PYTHON_HERE) benchmarks/pages.py
	@$(PYTHON_HERE) benchmarks/view.py

docs:
	@.ci/bootstrap.sh docs
	$(PYTHON_HERE) -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf build dist *.egg-info demo-output docs/_build docs/generated docs/pictures
	rm -rf .pytest_cache .ruff_cache pytest.rank*.log
	rm -f hpcdvc/kernels/*.so
	find hpcdvc tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
