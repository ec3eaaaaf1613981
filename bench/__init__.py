"""Every figure that the documents name, measured: `make bench`, or `python -m bench cold_start` for one.

Each module here is a measurement: its `measure()` returns `rig.figures.Figures`, which say how they came about, or raises
`NotMeasurable` with the reason. To add one, add a module. What measurements share is in `rig`.
"""
