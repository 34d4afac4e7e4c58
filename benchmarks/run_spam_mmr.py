"""What benchmarks/mmr.py runs by the Python of spam: im1.npy im2.npy phases margin -> one line of JSON.

CPU seconds of finding the phases and of registrations with few and with many iterations, how many these were, and Phi.
"""

import contextlib
import io
import json
import sys
import time

import numpy as np
import spam.DIC

BINS, FEW, MANY = 64, 2, 42


def whole_bins(image):
    """Grey values as bins."""
    low, high = float(image.min()), float(image.max())
    return np.round((image - low) / (high - low) * (BINS - 1)).astype(np.uint8)


im1, im2 = (whole_bins(np.load(path)) for path in sys.argv[1:3])
phases, margin = map(int, sys.argv[3:5])
found = {"runs": []}
with contextlib.redirect_stdout(io.StringIO()):
    began = time.process_time()
    parameters, histogram = spam.DIC.gaussianMixtureParameters(im1, im2, BINS=BINS, NPHASES=phases)[:2]
    diagram = spam.DIC.phaseDiagram(parameters, histogram, BINS=BINS)
    diagram = diagram[0] if isinstance(diagram, tuple) else diagram
    found["phases"] = time.process_time() - began
    for most in (FEW, MANY):
        began = time.process_time()
        result = spam.DIC.multimodalRegistration(
            im1, im2, diagram, parameters, maxIterations=most, deltaPhiMin=1e-12, margin=margin, BINS=BINS
        )
        found["runs"].append([time.process_time() - began, int(result["iterations"])])
found["Phi"] = np.asarray(result["Phi"]).tolist()
print(json.dumps(found))
