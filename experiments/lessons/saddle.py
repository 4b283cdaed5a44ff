"""Lesson 1: replicas leave a saddle under four optimizers."""

import marimo

app = marimo.App(width="full", app_title="Where does a ball on a saddle go?")


@app.cell
def _():
    from experiments.teach import page, saddle

    return page, saddle


@app.cell
def _(page, saddle):
    controls = page.controls(saddle.controls())
    page.side("saddle", controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(page):
    page.heading(
        "saddle",
        "Each dot is a training run that started in the middle. The loss rises steeply to left and right and falls gently up and down; only "
        "minibatch noise moves a run off the saddle. Solid ellipses are exact theory and should hold 86 % of the dots, dashed ones the paper's theorems.",
    )
    return


@app.cell
def _(page, saddle, settings):
    page.afford(saddle.updates(settings))
    found = saddle.run(settings)
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
