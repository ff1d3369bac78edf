// Looks at the dashboard in Chromium. Usage: dashboard.cjs URL TOKEN [SCREENSHOT]. Prints a JSON line for each thing seen, and
// goes on when a line comes on standard input.
const { chromium } = require('playwright-core');
const { readFileSync } = require('fs');
const lines = require('readline').createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => console.log(JSON.stringify(value));
(async () => {
  const [url, token, screenshot] = process.argv.slice(2);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    timeout: 120000,
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
  });
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 } });
  page.setDefaultTimeout(60000);
  const noise = [];
  page.on('console', (message) => noise.push(message.text()));
  page.on('pageerror', (error) => noise.push(String(error)));
  page.on('requestfailed', (request) => noise.push(request.url() + ' failed'));
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById('state').textContent === 'Ready');
  await page.keyboard.press('Tab');
  const focused = await page.evaluate(() => document.activeElement.className);
  say({ state: 'ready', routes: await page.locator('#routes tbody tr').allInnerTexts() });
  await lines.next(); // Traffic flows now.
  await page.waitForFunction(() => parseFloat(document.getElementById('rate').textContent) > 0);
  say({ rate: await page.textContent('#rate') });
  await lines.next(); // A WebSocket is open, and says something now and then.
  await page.waitForFunction(() => /\b[2-9] \/ [2-9]\b|\d\d \/ \d\d/.test(document.querySelector('#flows tbody').innerText));
  say({ flow: await page.innerText('#flows tbody tr') });
  await lines.next(); // Something failed, by a path that would be markup.
  await page.waitForSelector('#failures .bad');
  say({ failure: await page.innerText('#failures tbody tr'), images: await page.locator('#failures img').count() });
  for (;;) {
    const { value } = await lines.next(); // `killed`, as often as that is tried; then something else.
    if (value !== 'killed') break;
    const begun = Date.now();
    const red = page.locator('#upstreams tr', { has: page.locator('.bad') });
    await red.waitFor();
    say({ red: await red.innerText(), after_ms: Date.now() - begun });
    await page.waitForFunction(() => !document.querySelector('#upstreams .bad'));
    say({ green: true });
  }
  await page.getByRole('button', { name: 'Drain the streams of a.test' }).click();
  await page.waitForFunction(() => document.getElementById('said').textContent.includes('token first'));
  await page.fill('#token', token);
  await page.getByRole('button', { name: 'Use it in this tab' }).click();
  await page.getByRole('button', { name: 'Drain the streams of a.test' }).click();
  await page.waitForFunction(() => document.getElementById('said').textContent.includes('a.test are being ended'));
  say({ drained: await page.textContent('#said') });
  await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    const { violations } = await page.evaluate(() => axe.run());
    say({ axe: violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => id + ' ' + nodes[0].html) });
    if (screenshot) await page.screenshot({ path: screenshot.replace('.png', '-' + scheme + '.png'), fullPage: true });
  }
  await page.setViewportSize({ width: 360, height: 740 });
  say({ wider: await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth) });
  say({ focused });
  say({ noise });
  await browser.close();
})().catch((error) => { say({ broken: String(error) }); process.exit(1); });
