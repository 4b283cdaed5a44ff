"""The pages around the lessons: the list of all, and the style they share."""

import re
from html import escape

from experiments.teach.assets import FRONT
from experiments.teach.page import LESSONS

# legible from the last row: everything scales with the root's size; a lesson fits a laptop's screen
STYLE = """<style>
:root { font-size: 18px; color-scheme: light; }
h1 { font-size: 1.7rem !important; line-height: 1.2 !important; margin: 0 0 .3rem !important; }
p, li { line-height: 1.42 !important; margin: .2rem 0 !important; }
a { color: #005a92; }
:focus-visible { outline: 3px solid #D55E00; outline-offset: 2px; }
#App > div { padding: 0 1.6rem .6rem !important; }
#App { padding-top: .6rem !important; }
.output-area { padding-bottom: .35rem !important; }
.paragraph { line-height: 1.42 !important; margin: .2rem 0 .5rem !important; }
.output { margin-bottom: .2rem !important; }
.m-auto { padding-bottom: .5rem !important; }
[data-testid="notebook-actions-dropdown"] { display: none; }
@media (min-width: 1600px) { :root { font-size: 23px; } }
</style>"""


def index() -> str:
    """The list of lessons as HTML; while it is read, the browser fetches what the lessons need."""
    entries = "".join(f'<li><a href="{name}/">{escape(title)}</a></li>' for name, title in LESSONS.items())
    ahead = "".join(f'<link rel="modulepreload" crossorigin href="front/assets/{name}">' for name in _modules())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>diffusion-lab: lessons</title><link rel="icon" href="data:,">{STYLE}<style>body {{ font-family: system-ui, sans-serif; '
        "max-width: 46rem; margin: 3rem auto; padding: 0 1.5rem; color: #111; } li { font-size: 1.25rem; margin: .7rem 0 !important; }</style>"
        f"{ahead}</head><body><main><h1>How optimizers leave saddles and minima</h1><p>Seven questions. On each page sliders set up an "
        "experiment, which runs on this machine as you move them; the figure shows measurements beside the theory, and the sentence below it "
        f"says what this run found. Tab goes to the next slider, arrow keys move it.</p><ol>{entries}</ol></main></body></html>"
    )


def _modules() -> list[str]:
    """The scripts that marimo's own page asks for at once."""
    return re.findall(r'"\./assets/([^"]+\.js)"', (FRONT / "index.html").read_text(encoding="utf-8"))
