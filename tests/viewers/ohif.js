// Does in OHIF what a reader would do, in a headless Chromium. A line of JSON in is a command, a
// line of JSON out its answer: {"value": ..., "errors": [what the page complained of meanwhile]}.
// Usage: node ohif.js PLAYWRIGHT CHROMIUM ORIGIN
const readline = require('node:readline');
const [playwright, executablePath, origin] = process.argv.slice(2);
const { chromium } = require(playwright);

const args = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-gl=angle', '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader'];
const patience = { timeout: 30000 };
const thumbnail = '[data-cy^="study-browser-thumbnail"]';
let page;
let errors = [];

// The viewport has drawn an image, and what is on the screen stays as it is.
async function settled() {
  await page.waitForFunction(() => {
    const [enabled] = window.cornerstone?.getEnabledElements() ?? [];
    return enabled?.viewport.viewportStatus === 'rendered';
  }, null, patience);
  let before;
  for (let tries = 0; tries < 20; tries++) {
    await page.waitForTimeout(200);
    const now = (await page.screenshot({ type: 'jpeg', quality: 50 })).toString('base64');
    if (now === before) return;
    before = now;
  }
}

const commands = {
  // Open a study, and wait until so many series are listed and the first image is drawn.
  async open({ study, series }) {
    await page.goto(`${origin}/viewer?StudyInstanceUIDs=${study}`);
    await page.waitForFunction(([css, count]) => document.querySelectorAll(css).length >= count,
      [thumbnail, series], patience);
    await settled();
  },
  // Double-click a series that is listed, and wait until the words are on the page that show that
  // it is open. Where it is a question, the answer is no: what was asked about is drawn already.
  async show({ series, words, question }) {
    await page.getByText(series, { exact: true }).first().dblclick(patience);
    if (words) await page.getByText(words).first().waitFor(patience);
    if (question) await page.getByText('No', { exact: true }).first().click(patience);
  },
  async click({ text }) { await page.getByText(text, { exact: true }).first().click(patience); },
  // The SHA-256 of the document that is embedded in the page.
  async document() {
    const data = await page.waitForFunction(
      () => document.querySelector('object[type="application/pdf"]')?.data, null, patience);
    return page.evaluate(async address => {
      const bytes = await (await fetch(address)).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      return [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('');
    }, await data.jsonValue());
  },
  async text() { return page.innerText('body'); },
  async screen({ path }) { await page.screenshot({ path }); },
  // A picture of the viewport once it has settled and so many outlines are drawn on it, and their
  // labels. Lengths are in pixels of that picture.
  async picture({ path, outlines }) {
    // Sometimes OHIF draws the image before it knows the outlines, and these with the next image.
    await page.waitForFunction(count => {
      if (document.querySelectorAll('svg.svg-layer polyline').length === count) return true;
      window.cornerstone.getEnabledElements().forEach(({ viewport }) => viewport.render());
      return false;
    }, outlines, { ...patience, polling: 500 });
    await settled();
    const canvas = page.locator('.cornerstone-canvas').first();
    await canvas.screenshot({ path });
    const { x, y } = await canvas.boundingBox();
    return page.evaluate(([left, top]) => ({
      labels: [...document.querySelectorAll('svg.svg-layer text')].map(label => {
        const box = label.getBoundingClientRect();
        return {
          lines: [...label.querySelectorAll('tspan')].map(line => line.textContent),
          box: [box.left - left, box.top - top, box.right - left, box.bottom - top],
        };
      }),
    }), [x, y]);
  },
};

(async () => {
  const browser = await chromium.launch({ executablePath, args });
  page = await browser.newPage({ viewport: { width: 1920, height: 1080 } });
  // The tour through the viewer counts as taken. The frame of a PDF has no storage.
  await page.addInitScript(() =>
    localStorage?.setItem('shownTours', '["basicViewerTour"]'));
  page.on('console', said => said.type() === 'error' && errors.push(said.text()));
  page.on('pageerror', error => errors.push(String(error)));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { command, ...how } = JSON.parse(line);
    const answer = await commands[command](how).then(
      value => ({ value: value ?? null }), error => ({ failed: String(error) }));
    process.stdout.write(`${JSON.stringify({ ...answer, errors })}\n`);
    errors = [];
  }
  await browser.close();
})();
