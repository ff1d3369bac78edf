// A WebSocket in Chromium over TLS: websocket_h2.cjs URL HOME NETLOG. HOME has a store of certificates that trusts the
// proxy's root. Prints what came back, and how the handshake went by the browser's own network log.
const fs = require('fs');
const { chromium } = require('playwright-core');
(async () => {
  const [url, home, netlog] = process.argv.slice(2);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    timeout: 120000,
    env: { ...process.env, HOME: home },
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking',
      `--log-net-log=${netlog}`, '--net-log-capture-mode=Everything'],
  });
  const page = await browser.newPage();
  await page.goto(url);
  const said = await page.evaluate((url) => new Promise((done) => {
    const socket = new WebSocket(url.replace('https:', 'wss:') + 'ws');
    socket.onopen = () => socket.send('hello');
    socket.onmessage = (event) => socket.close(1000, event.data);
    socket.onclose = (event) => done(`${event.code} ${event.reason} ${event.wasClean}`);
  }), url);
  await browser.close();
  const log = fs.readFileSync(netlog, 'utf8');
  console.log(said);
  console.log(/":protocol: websocket"/.test(log) ? 'extended CONNECT' : 'no extended CONNECT');
})().catch((error) => console.log(`failed: ${error}`.replaceAll('\n', ' ')));
