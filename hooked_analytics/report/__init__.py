"""Metrics, pictures and sentences on one page, and the same tables in one folder."""

from hooked_analytics.report.build import build_report
from hooked_analytics.report.report import Report, read_report

__all__ = ["Report", "build_report", "read_report"]
