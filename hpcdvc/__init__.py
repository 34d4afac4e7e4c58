"""hpcdvc: Digital Volume Correlation on any number of MPI ranks.

The functions for Python users are imported when they are first asked for, so that commands start without numpy. Each
package says what lives there; begin reading with `cli`, `workflows.ldic` and `runs.job`, or with docs/architecture.md.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "apply_mesh_transformation": "deformation.images",
    "apply_phi": "deformation.images",
    "apply_phi_field": "deformation.images",
    "apply_registration_to_points": "steps.kinematics",
    "bagi_gradients": "fields.strain_api",
    "binning": "registration.levels",
    "bounding_boxes": "labels.boxes",
    "centres_of_mass": "labels.boxes",
    "chi2_shift": "stacks.chi2_api",
    "chi2_shift_iterzoom": "stacks.chi2_api",
    "chi2n_map": "stacks.chi2_api",
    "compute_phi": "fields.decomposition",
    "create_cuboid": "fem.mesh",
    "create_cylinder": "fem.mesh",
    "cross_correlation_shifts": "stacks.pair_api",
    "cross_correlation_shifts_fits": "stacks.wcs",
    "decompose_f": "fields.decomposition",
    "decompose_phi": "fields.decomposition",
    "estimate_displacement_from_quadratic_fit": "steps.kinematics",
    "estimate_local_quadratic_coherency": "steps.kinematics",
    "find_global_shift_based_local_shifts": "stacks.map_api",
    "find_local_shifts": "stacks.local_api",
    "find_local_shifts_umpa": "stacks.local_api",
    "find_shift_based_correlation_map": "stacks.map_api",
    "gaussian_mixture_parameters": "multimodal.histogram",
    "geers_gradients": "fields.strain_api",
    "generate_correlation_map": "stacks.map_api",
    "get_displacement_from_neighbours": "labels.starts",
    "get_label": "labels.boxes",
    "get_windows": "search.api",
    "global_correlation": "fem.api",
    "guiding_points": "search.guiding_points",
    "interpolate_phi_field": "steps.kinematics",
    "isochoric_field": "fem.regularisation",
    "iterative_zoom": "stacks.pair_api",
    "iterative_zoom_1d": "stacks.pair_api",
    "joint_histogram": "multimodal.histogram",
    "locate_peak": "stacks.map_api",
    "make_grid": "fields.grid",
    "measure_shift": "stacks.shift",
    "merge_registration_and_discrete_fields": "labels.starts",
    "merge_regular_grid_and_discrete": "steps.kinematics",
    "multimodal_registration": "multimodal.api",
    "neighbours": "labels.contacts",
    "normalize_image": "stacks.map_api",
    "phase_diagram": "multimodal.phases",
    "phase_matching_alignment": "tomography.api",
    "pixel_search": "search.api",
    "polynomial_gradients": "fields.strain_api",
    "projection_matrices": "fem.tractions",
    "q8_gradients": "fields.strain_api",
    "read": "output.read",
    "read_tsv": "output.tsv",
    "register": "registration.api",
    "register_images": "stacks.pair_api",
    "register_multiscale": "registration.api",
    "regularisation_matrix": "fem.regularisation",
    "regularisation_parameters": "fem.parameters",
    "strain_components": "fields.strain",
    "strain_deviations": "fields.strain_errors",
    "surface_labels": "fem.surfaces",
    "triangulate": "fields.triangulation",
    "volumes": "labels.boxes",
    "write_tsv": "output.tsv",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605
#: modules for Python users
_MODULES = ("commands", "fourier")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
