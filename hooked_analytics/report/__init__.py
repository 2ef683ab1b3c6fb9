"""
Tables and pictures in one page, and in one folder.

``build`` asks the questions and keeps the answers as tables; everything a reader sees is made
of these tables alone, so a report that was exported and read back shows the same page.
"""

from hooked_analytics.report.build import build_report
from hooked_analytics.report.export_folder import read_report
from hooked_analytics.report.report import Report

__all__ = ["Report", "build_report", "read_report"]
