"""The lessons: marimo applications, each a question, sliders, and the figure that answers it."""
