"""The report as one page that needs no network: figures by Bokeh, the rest a template."""

from pipeline.page.render import comparison_page, report_page, scale_page

__all__ = ["comparison_page", "report_page", "scale_page"]
