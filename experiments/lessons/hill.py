"""Lesson 4: a well, its density leaking while replicas jump."""

import marimo

app = marimo.App(width="full", app_title="How long until it is over the hill?")


@app.cell
def _():
    from experiments.teach import hill, page

    return page, hill


@app.cell
def _(page, hill):
    controls = page.controls(hill.controls())
    page.side("hill", controls)
    return (controls,)


@app.cell
def _(controls):
    settings = controls.value
    return (settings,)


@app.cell
def _(page):
    page.heading(
        "hill",
        "Runs of SGD sit in the right-hand valley; noise of a set temperature now and then carries one over the hill. How long that takes depends "
        "exponentially on barrier over temperature (Kramers 1940). Half of the runs that reach the top fall back, so that the top is reached in half the time.",
    )
    return


@app.cell
def _(page, hill, settings):
    page.afford(hill.updates(settings))
    found = hill.run(settings)
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
