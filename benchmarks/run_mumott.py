"""Pieces of mumott by its own Python: scan size views -> JSON of CPU seconds of its projector and of one iteration."""

import json
import logging
import sys
import time

import numpy as np


def main(scan: str) -> None:
    """One iteration after one that compiles; the same of forward and adjoint."""
    logging.disable(logging.WARNING)
    from mumott.data_handling import DataContainer
    from mumott.methods.projectors import SAXSProjector
    from mumott.pipelines import run_phase_matching_alignment

    data = DataContainer(scan)
    projector = SAXSProjector(data.geometry)
    x = np.ones((*data.geometry.volume_shape, 1))
    y = np.ones((*data.diode.shape, 1))
    found = {}
    for _ in range(2):
        for name, work in (("forward", lambda: projector.forward(x)), ("adjoint", lambda: projector.adjoint(y))):
            began = time.process_time()
            work()
            found[name] = time.process_time() - began
    if "projector" not in sys.argv[2:]:
        for _ in range(2):
            began = time.process_time()
            run_phase_matching_alignment(data, maxiter=1)
            found["iteration"] = time.process_time() - began
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
