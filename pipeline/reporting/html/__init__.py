"""The report as one page that needs no network: figures by Bokeh, the rest a template."""
