"""Metrics, pictures and sentences on one page, and the same tables in one folder."""

from hooked_analytics.report.build import build_report
from hooked_analytics.report.exports import read_report
from hooked_analytics.report.report import Report
from hooked_analytics.report.sections import show

__all__ = ["Report", "build_report", "read_report", "show"]
