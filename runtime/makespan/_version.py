"""The version, read by the build and by ``makespan --version``."""

__version__ = "0.1.0"
