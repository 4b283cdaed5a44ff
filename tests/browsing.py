"""A real Chromium, headless, and how long it takes from a key to the picture that follows."""

import contextlib
from urllib.parse import urlsplit

from experiments import doctor

# nothing that would look for the network
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURE = "svg[role=img]"

# From the key that moves a slider to the first frame that shows another picture.
TIMER = """
window.watch = () => {
  window.took = null;
  let since = null;
  const picture = () => (document.querySelector('svg[role=img]') || {innerHTML: ''}).innerHTML;
  const before = picture();
  addEventListener('keydown', () => { since = performance.now(); }, {once: true, capture: true});
  const observer = new MutationObserver(() => {
    if (since === null || picture() === before) return;
    observer.disconnect();
    requestAnimationFrame(() => { window.took = performance.now() - since; });
  });
  observer.observe(document.body, {subtree: true, childList: true, attributes: true});
};
"""

# Words of the figure that are cut off or lie over others, and those of the controls that do not fit.
UNCLEAR = """() => {
  const svg = document.querySelector('svg[role=img]'), frame = svg.getBoundingClientRect(), unclear = [];
  const boxes = [...svg.querySelectorAll('text')].map(words => [words.textContent, words.getBoundingClientRect()]);
  for (const [words, a] of boxes) {
    if (a.left < frame.left || a.right > frame.right || a.top < frame.top || a.bottom > frame.bottom)
      unclear.push(`${words} is cut off`);
    for (const [others, b] of boxes)
      if (words < others && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
          && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4) unclear.push(`${words} lies over ${others}`);
  }
  for (const host of document.querySelectorAll('aside marimo-slider, aside marimo-radio'))
    for (const part of host.shadowRoot.querySelectorAll('*'))
      if (part.getBoundingClientRect().left + part.scrollWidth > host.closest('aside').getBoundingClientRect().right)
        unclear.push(`${part.textContent} does not fit`);
  return unclear;
}"""

# Moves sliders to and fro for some seconds, each move after the last one's picture and a pause; gives the times.
READER = (
    TIMER
    + """
window.read = async (seconds, pause) => {
  const times = [], end = performance.now() + 1000 * seconds;
  const sleep = ms => new Promise(done => setTimeout(done, ms));
  await sleep(pause * Math.random());
  for (let k = 0; performance.now() < end; k++) {
    const hosts = [...document.querySelectorAll('marimo-slider')];
    const sliders = hosts.map(host => host.shadowRoot.querySelector('[role=slider]'));
    const slider = sliders[k % sliders.length];
    const key = Number(slider.getAttribute('aria-valuenow')) > 0 && k % 2 ? 'ArrowLeft' : 'ArrowRight';
    slider.focus();
    watch();
    const asked = performance.now();
    slider.dispatchEvent(new KeyboardEvent('keydown', {key, code: key, bubbles: true, composed: true}));
    while (window.took === null && performance.now() - asked < 5000) await sleep(5);
    if (window.took !== null) times.push(window.took);
    await sleep(pause * (0.5 + Math.random()));
  }
  window.times = times;
};
"""
)


@contextlib.contextmanager
def browser():
    """Chromium, started."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=doctor.chromium(), args=FLAGS)
        yield chromium
        chromium.close()


def opened(context, complaints):
    """A new page; what goes wrong in it, and every request to another host, is noted in complaints."""
    page = context.new_page()
    page.add_init_script(READER)
    page.on("console", lambda m: complaints.append(f"{m.type}: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    # what is aborted is of a page that was left before it had all
    page.on(
        "requestfailed",
        lambda request: request.failure == "net::ERR_ABORTED" or complaints.append(f"failed: {request.url}"),
    )
    page.on("response", lambda r: complaints.append(f"{r.status}: {r.url}") if r.status >= 400 else None)

    def note(request):
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "file") and parts.hostname != "127.0.0.1":
            complaints.append(f"external: {request.url}")

    page.on("request", note)
    return page


def press(page, slider, key, patience=20_000):
    """Milliseconds from a key on a slider to the new picture; NaN if the slider stays where it is."""
    slider.focus()
    before = slider.get_attribute("aria-valuenow")
    page.evaluate("watch()")
    page.keyboard.press(key)
    if slider.get_attribute("aria-valuenow") == before:
        return float("nan")
    page.wait_for_function("window.took !== null", timeout=patience)
    return page.evaluate("window.took")
