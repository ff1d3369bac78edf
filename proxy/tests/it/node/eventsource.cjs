// Listens to events in Chromium: eventsource.cjs URL COUNT. Prints a line after each thirty, and all ids at the end.
const { chromium } = require('playwright-core');
(async () => {
  const [url, count] = process.argv.slice(2);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    timeout: 120000,
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
  });
  const page = await browser.newPage();
  await page.exposeFunction('say', (line) => console.log(line));
  await page.goto(url);
  console.log('page');
  await page.evaluate((count) => {
    const ids = [];
    const source = new EventSource('/events');
    source.onmessage = (event) => {
      ids.push(event.lastEventId);
      if (ids.length % 30 === 0) window.say('seen ' + ids.length);
      if (ids.length === count) {
        window.say('all ' + ids.join(','));
        source.close();
      }
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && ids.length < count) window.say('closed for good');
    };
  }, Number(count));
})();
