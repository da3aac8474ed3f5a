"""The county pack that the settings name, or the demo's where they name none."""

from pathlib import Path

from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.settings import Settings


def find_pack(settings: Settings) -> Path:
    """Return the folder of the pack; raises `OSError` where the demo's cannot be written."""
    return settings.county or provide_demo(settings.data_dir / "counties" / "demo")


def open_county(settings: Settings) -> County:
    """Return the county of the pack; raises `PackError` where it is no good one."""
    return load_county(find_pack(settings))
