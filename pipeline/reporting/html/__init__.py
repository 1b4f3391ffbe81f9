"""The pages, which need no network: `plots` are drawn by Bokeh, the rest is a template that `render` fills."""
