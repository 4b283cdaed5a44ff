"""Lesson 2: Theorem 2 against the exact moments."""

import marimo

app = marimo.App(width="full", app_title="Does momentum help you leave?")


@app.cell
def _():
    from experiments.teach import momentum, page

    return page, momentum


@app.cell
def _(page, momentum):
    controls = page.controls(momentum.controls())
    page.side("momentum", controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(page):
    page.heading(
        "momentum",
        "From a flat saddle, noise carries a run away. Theorem 2 adds to the displacement by noise a drift by the momentum the run already has. But "
        "that momentum is itself past noise, and a kick acts only as its momentum is spent: the theorem counts the first 1/(1−β₁) iterations twice.",
    )
    return


@app.cell
def _(page, momentum, settings):
    page.afford(momentum.updates(settings))
    found = momentum.run(settings)
    page.picture(found)
    return (found,)


@app.cell
def _(found, page):
    answer = found.answer
    page.answer(answer)
    return (answer,)


@app.cell
def _(found, page):
    code = found.code
    page.code(code)
    return (code,)


if __name__ == "__main__":
    app.run()
