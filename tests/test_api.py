"""The functions of the package root, and those of the table of the docs: named, documented and called as promised."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hpcdvc

sys.path.append(str(Path(__file__).resolve().parent.parent / "docs"))
NAMES = dict(reversed(pair) for pair in importlib.import_module("generate").NAMES)

REGISTRATION = (
    "im1_mask phi_init phi_rigid phi_init_bin_ratio margin max_iterations delta_phi_min update_gradient "
    "interpolation_order verbose return_phi_mask_centre"
)
#: parameters that users of spam, algotom and image_registration expect, under our names
PARAMETERS = {
    "apply_mesh_transformation": "im points connectivity displacements im_tet_label",
    "apply_phi": "im phi phi_centre order",
    "apply_phi_field": (
        "im field_coords_ref phi_field im_mask_def displacement_mode n_neighbours interpolation_order verbose"
    ),
    "bagi_gradients": "points connectivity displacements variance",
    "apply_registration_to_points": "phi phi_centre points apply_f",
    "binning": "im binning return_crop_and_centre",
    "bounding_boxes": "labels",
    "centres_of_mass": "labels",
    "chi2_shift": (
        "im1 im2 err upsample_factor boundary nthreads use_numpy_fft zeromean nfitted verbose return_error "
        "return_chi2array max_auto_size max_nsig"
    ),
    "chi2_shift_iterzoom": (
        "im1 im2 err upsample_factor boundary nthreads use_numpy_fft zeromean verbose return_error return_chi2array "
        "zoom_shape rezoom_shape rezoom_factor mindiff"
    ),
    "chi2n_map": "im1 im2 err boundary nthreads zeromean use_numpy_fft return_all reduced",
    "compute_phi": "transformation phi_centre phi_point",
    "create_cuboid": "lengths lc origin",
    "create_cylinder": "centre radius height lc z_origin",
    "cross_correlation_shifts": "image1 image2 errim1 errim2 maxoff verbose gaussfit return_error zeromean",
    "cross_correlation_shifts_fits": (
        "fitsfile1 fitsfile2 return_cropped_images sigma_cut verbose register_method kwargs"
    ),
    "decompose_f": "f two_d",
    "decompose_phi": "phi phi_centre phi_point two_d",
    "geers_gradients": "displacements node_spacing radius variance half_window_size",
    "estimate_displacement_from_quadratic_fit": (
        "field_coords displacements points_to_estimate neighbour_radius n_neighbours epsilon verbose"
    ),
    "estimate_local_quadratic_coherency": "points displacements neighbour_radius n_neighbours epsilon verbose",
    "find_global_shift_based_local_shifts": (
        "ref_mat mat win_size margin list_ij num_point global_value gpu block sub_pixel method size ncore norm "
        "return_list"
    ),
    "find_local_shifts": ("ref_mat mat dim win_size margin method size gpu block ncore norm norm_global chunk_size"),
    "find_local_shifts_umpa": (
        "ref_mat mat win_size margin method size gpu block ncore chunk_size filter_name dark_signal"
    ),
    "find_shift_based_correlation_map": "ref_mat mat margin axis sub_pixel method dim size gpu block",
    "generate_correlation_map": "ref_mat mat gpu block",
    "gaussian_mixture_parameters": (
        "im1 im2 bins n_phases im1_threshold im2_threshold distance_maxima exclude_border fit_distance"
    ),
    "get_displacement_from_neighbours": "labels field file_name method neighbours_range centres_of_mass previous",
    "get_label": "labels label margin label_dilate mask_other_labels bounding_boxes",
    "get_windows": (
        "im1 node_position half_window_size phi im2 search_range im1_mask im2_mask min_mask_coverage grey_threshold "
        "apply_f two_d"
    ),
    "global_correlation": (
        "im1 im2 points connectivity regularisation_matrix regularisation_field initial_displacements "
        "convergence_criterion max_iterations median_filter_each_iteration criterion solver gradient probes verbose "
        "return_result comm"
    ),
    "guiding_points": "im1 half_window_size minimum_spacing number im1_mask",
    "interpolate_phi_field": (
        "field_coords phi_field points_to_interpolate n_neighbours neighbour_radius interpolate_f "
        "neighbour_distance_weight check_point_surrounded verbose"
    ),
    "isochoric_field": "points periods",
    "iterative_zoom": "image mindiff zoomshape return_zoomed zoomstep verbose minmax ploteach return_center",
    "iterative_zoom_1d": "data mindiff zoomshape return_zoomed zoomstep verbose minmax return_center",
    "joint_histogram": "im1 im2 bins ranges mask",
    "locate_peak": "mat sub_pixel method dim size max_peak",
    "make_grid": "shape spacing",
    "measure_shift": "im1 im2 settings noise mask1 mask2",
    "merge_registration_and_discrete_fields": "registration discrete file_name reg_tsv_bin_ratio",
    "merge_regular_grid_and_discrete": "regular_grid discrete labelled_image binning_labelled always_label",
    "multimodal_registration": (
        "im1 im2 phase_diagram gaussian_parameters im1_mask phi_init margin max_iterations delta_phi_min "
        "interpolation_order verbose bins n_phases"
    ),
    "neighbours": "labels method neighbours_range",
    "normalize_image": "mat",
    "phase_diagram": "gaussian_parameters joint_histogram voxel_coverage sigma_max bins",
    "phase_matching_alignment": (
        "data ignored_subset projection_cropping reconstruction reconstruction_kwargs use_gpu use_absorbances maxiter "
        "upsampling shift_tolerance shift_cutoff relative_sample_size relaxation_weight center_of_mass_shift_weight "
        "align_j align_k comm seed method reconstruction_pipeline reconstruction_pipeline_kwargs"
    ),
    "pixel_search": "imagette1 imagette2 imagette1_mask imagette2_mask return_error",
    "polynomial_gradients": "displacements node_spacing order radius variance half_window_size",
    "projection_matrices": "points connectivity labels dirichlet",
    "q8_gradients": "displacements node_spacing variance half_window_size",
    "read": "path comm",
    "read_tsv": "path",
    "register": f"im1 im2 {REGISTRATION}",
    "register_images": ("im1 im2 usfac return_registered return_error zeromean DEBUG maxoff nthreads use_numpy_fft"),
    "register_multiscale": f"im1 im2 bin_start bin_stop {REGISTRATION} force_change_scale",
    "regularisation_matrix": "points connectivity young poisson voxel_size xi_bulk dirichlet labels periods",
    "regularisation_parameters": "user_parameters",
    "strain_components": "f names two_d",
    "strain_deviations": "f covariance names two_d",
    "surface_labels": "points surfaces",
    "triangulate": "points alpha",
    "volumes": "labels",
    "write_tsv": "path field",
}
#: names of arguments that users of other programs may give by name
OTHERS = {"DEBUG"}
#: whole volumes and fields are worked on by many ranks: of a communicator that is handed over, never of all there are
COLLECTIVE = {
    *("apply_mesh_transformation", "apply_phi", "apply_phi_field", "read", "register", "register_multiscale"),
    *("global_correlation", "multimodal_registration", "phase_matching_alignment"),
    *("estimate_displacement_from_quadratic_fit", "estimate_local_quadratic_coherency", "interpolate_phi_field"),
}


def function(path: str):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def section(text: str, title: str) -> str | None:
    """Contents of a section of a numpydoc text; None without it."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=\n\n?\w+\n---|\Z)", text, re.M | re.S)
    return found and found[1]


def documented(text: str) -> list[str]:
    """Names that the section of the parameters explains, in order."""
    entries = re.findall(r"^([\w*][\w*, ]*) : \S", section(text, "Parameters") or "", re.M)
    return [name.strip(" *") for entry in entries for name in entry.split(",")]


def test_import_needs_no_numpy():
    code = "import hpcdvc, sys; assert hpcdvc.__all__ and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_each_name_imports_in_a_process_of_its_own():
    """Whatever was imported before; a module of the same name must not take its place."""
    code = """if True:
        import importlib, inspect, sys
        import hpcdvc
        before = set(sys.modules)
        for name in hpcdvc.__all__:
            for key in set(sys.modules) - before:
                if key.startswith("hpcdvc"):
                    del sys.modules[key]
            for key in hpcdvc.__all__:
                vars(hpcdvc).pop(key, None)
            exec(f"from hpcdvc import {name}")
            assert inspect.isfunction(eval(name)), name
            assert inspect.isfunction(getattr(hpcdvc, name)), name
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_root():
    assert set(hpcdvc.__all__) <= set(dir(hpcdvc))
    space = {}
    exec("from hpcdvc import *", space)
    assert set(hpcdvc.__all__) <= set(space)
    with pytest.raises(AttributeError, match="'hpcdvc' has no attribute 'computePhi'"):
        hpcdvc.computePhi  # noqa: B018
    with pytest.raises(ImportError):
        exec("from hpcdvc import nothing_of_the_kind")


@pytest.mark.parametrize("name", hpcdvc.__all__)
def test_name_of_the_root(name):
    """Is the function that the table of the docs leads to, and takes what is expected of it."""
    home = next((path for path in NAMES if path.endswith(f".{name}")), None)
    assert home, "not in NAMES of docs/generate.py"
    assert getattr(hpcdvc, name) is function(home)
    assert importlib.util.find_spec(f"hpcdvc.{name}") is None, (
        "a module of this name would take its place once imported"
    )
    wanted, parameters = PARAMETERS[name].split(), inspect.signature(getattr(hpcdvc, name)).parameters
    assert [p for p in parameters if p in wanted] == wanted, "parameters are missing or in another order"
    assert re.search(r"^(UserError|RunError)\b", section(inspect.getdoc(function(home)), "Raises"), re.M)


@pytest.mark.parametrize("path", NAMES)
def test_documented(path):
    """In numpydoc form: every parameter of the signature and no other, types, and what comes back."""
    text = inspect.getdoc(function(path))
    signature = inspect.signature(function(path))
    assert sorted(documented(text)) == sorted(signature.parameters)
    assert re.match(r"[A-Z].*[.:]", text.split("\n")[0])
    untyped = [name for name, p in signature.parameters.items() if p.annotation is p.empty and name != "comm"]
    assert untyped == [] and signature.return_annotation is not signature.empty
    returns_nothing = signature.return_annotation in (None, "None")
    assert (section(text, "Returns") is None) == returns_nothing


@pytest.mark.parametrize("path", NAMES)
def test_names_are_snake_case(path):
    for name in (path.rpartition(".")[2], *inspect.signature(function(path)).parameters):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in OTHERS


@pytest.mark.parametrize("path", NAMES)
def test_ranks_are_handed_over(path):
    """`comm` is None, serial, unless the caller says otherwise."""
    comm = inspect.signature(function(path)).parameters.get("comm")
    assert (comm is not None) == (path.rpartition(".")[2] in COLLECTIVE)
    assert comm is None or (comm.default is None and comm.kind is not comm.POSITIONAL_ONLY)
