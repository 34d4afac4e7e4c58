"""Render recipe.yaml as rattler-build does before it builds, and show what it asks for."""

from pathlib import Path

from rattler_build import Stage0Recipe, VariantConfig

here = Path(__file__).resolve().parent
recipe = Stage0Recipe.from_file(str(here / "recipe.yaml"))
for rendered in recipe.render(VariantConfig.from_file(str(here / "variants.yaml"))):
    package, requirements = rendered.recipe.package, rendered.recipe.requirements
    print(f"{package.name} {package.version}: {len(requirements.run)} packages at run time")
    assert len(requirements.run) > 10 and len(requirements.build) == 2
