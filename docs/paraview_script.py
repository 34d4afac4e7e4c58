"""Pictures of two results by ParaView: `pvbatch paraview_script.py LDIC.hdf GDIC.hdf FOLDER`.

The steps are those of docs/paraview.md, one call per click. It needs ParaView alone.
"""

import sys

from paraview import simple

BLACK = [0.0, 0.0, 0.0]


def white_view():
    """A view with a white ground, and black axes with names."""
    view = simple.CreateView("RenderView")
    view.ViewSize = [940, 620]
    view.UseColorPaletteForBackground = 0
    view.Background = [1.0, 1.0, 1.0]
    view.OrientationAxesVisibility = 0
    grid = view.AxesGrid
    grid.Visibility = 1
    for axis in "XYZ":
        setattr(grid, f"{axis}Title", f"{axis.lower()} (voxel)")
        for part in ("Title", "Label"):
            setattr(grid, f"{axis}{part}Color", BLACK)
            setattr(grid, f"{axis}{part}FontSize", 15)
    grid.GridColor = [0.55, 0.55, 0.55]
    grid.AxesToLabel = 7  # one edge for each axis
    return view


def coloured(source, view, array, title):
    """Show something in the colours of an array of points, from its least value to its greatest, with a colour bar."""
    shown = simple.Show(source, view)
    simple.ColorBy(shown, ("POINTS", *array))
    shown.RescaleTransferFunctionToDataRange()
    table = simple.GetColorTransferFunction(array[0])
    table.ApplyPreset("Viridis (matplotlib)", True)
    bar = simple.GetScalarBar(table, view)
    bar.Title, bar.ComponentTitle = title, ""
    bar.TitleColor = bar.LabelColor = BLACK
    bar.TitleFontSize, bar.LabelFontSize = 18, 16
    bar.HorizontalTitle, bar.AddRangeLabels = 1, 0
    bar.ScalarBarLength = 0.5
    bar.WindowLocation = "Any Location"
    bar.Position = [0.79, 0.22]
    shown.SetScalarBarVisibility(view, True)
    shown.Ambient, shown.Diffuse = 0.4, 0.7
    return shown


def save(view, path):
    """Look from the front, above and the right, with y downwards as in an image, and save."""
    view.CameraPosition, view.CameraFocalPoint = [0.45, -0.5, -1.0], [0.0, 0.0, 0.0]
    view.CameraViewUp = [0.0, -1.0, 0.0]
    simple.ResetCamera(view)
    camera = simple.GetActiveCamera()
    camera.SetWindowCenter(0.2, 0.0)  # room for the colour bar
    camera.Zoom(1.1)
    simple.SaveScreenshot(path, view, ImageResolution=view.ViewSize, CompressionLevel="9")


def arrows(path, picture):
    """A field of windows: those that were measured, as arrows."""
    reader = simple.OpenDataFile(path)
    view = white_view()
    shown = simple.Show(reader, view)
    shown.Representation = "Outline"
    shown.AmbientColor = shown.DiffuseColor = BLACK
    good = simple.Threshold(Input=reader, Scalars=["POINTS", "returnStatus"])
    good.LowerThreshold = good.UpperThreshold = 2
    glyph = simple.Glyph(Input=good, GlyphType="Arrow", GlyphMode="All Points", ScaleFactor=6.0)
    glyph.OrientationArray = glyph.ScaleArray = ["POINTS", "displacement"]
    coloured(glyph, view, ("displacement", "Magnitude"), "displacement\n(voxel)")
    save(view, picture)


def warped(path, picture):
    """A field on a mesh: moved by five times its displacements."""
    reader = simple.OpenDataFile(path)
    view = white_view()
    warp = simple.WarpByVector(Input=reader, Vectors=["POINTS", "displacement"], ScaleFactor=5.0)
    shown = coloured(warp, view, ("displacement", "X"), "displacement\nalong x (voxel)")
    shown.Representation, shown.EdgeColor = "Surface With Edges", [0.25, 0.25, 0.25]
    save(view, picture)


if __name__ == "__main__":
    simple._DisableFirstRenderCameraReset()
    ldic, gdic, folder = sys.argv[1:]
    arrows(ldic, f"{folder}/paraview-ldic.png")
    warped(gdic, f"{folder}/paraview-gdic.png")
