// Their clients: clients.cjs AUTHORITY [browser]. Prints a line for each that was content, and `done`.
const assert = require('assert');
const [authority, browser] = process.argv.slice(2);
const WebSocket = require('ws');
const once = (emitter, name) =>
  new Promise((resolve, reject) => {
    emitter.once(name, (...values) => resolve(values));
    emitter.once('error', reject);
  });

async function plain() {
  const socket = new WebSocket(`ws://${authority}/ws`, { perMessageDeflate: { threshold: 0 } });
  await once(socket, 'open');
  assert.match(socket.extensions, /permessage-deflate/);
  for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
    const sent = Buffer.alloc(size, 'abc');
    socket.send(sent);
    const [data, binary] = await once(socket, 'message');
    assert(binary && sent.equals(data));
  }
  socket.ping('are you there');
  assert.equal(String((await once(socket, 'pong'))[0]), 'are you there');
  socket.close(4000, 'done');
  assert.equal((await once(socket, 'close'))[0], 4000);
}

async function socketIo() {
  const socket = require('socket.io-client').io(`http://${authority}`, { reconnection: false });
  await once(socket, 'connect');
  const { engine } = socket.io;
  while (engine.transport.name !== 'websocket') await new Promise((resolve) => setTimeout(resolve, 10));
  const binary = once(socket, 'binary');
  assert.equal(await socket.emitWithAck('hello', 'world'), 'hello world by websocket');
  assert.equal((await binary)[0].length, 70000);
  socket.disconnect();
}

async function graphql() {
  const client = require('graphql-ws').createClient({ url: `ws://${authority}/graphql`, webSocketImpl: WebSocket });
  const seen = [];
  for await (const result of client.iterate({ query: 'subscription { count }' })) seen.push(result.data.count);
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  await client.dispose();
}

async function mqtt() {
  const client = require('mqtt').connect(`ws://${authority}/mqtt`, { reconnectPeriod: 0 });
  await once(client, 'connect');
  await client.subscribeAsync('a/b', { qos: 1 });
  const message = once(client, 'message');
  await client.publishAsync('a/b', Buffer.alloc(20000, 'm'), { qos: 1 });
  const [topic, payload] = await message;
  assert(topic === 'a/b' && payload.length === 20000);
  await client.endAsync();
}

async function chromium() {
  const chrome = await require('playwright-core').chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    timeout: 120000,
    args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
  });
  const page = await chrome.newPage();
  const seen = await page.evaluate(async (url) => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const event = (name) => new Promise((resolve) => socket.addEventListener(name, resolve, { once: true }));
    await event('open');
    const sizes = [];
    for (const size of [1, 126, 65536, 300000]) {
      socket.send(new Uint8Array(size).fill(7));
      sizes.push((await event('message')).data.byteLength);
    }
    socket.send('text');
    const text = (await event('message')).data;
    socket.close(3001, 'enough');
    const { code, reason, wasClean } = await event('close');
    return { extensions: socket.extensions, sizes, text, code, wasClean };
  }, `ws://${authority}/ws`);
  assert.deepEqual(seen, { extensions: 'permessage-deflate', sizes: [1, 126, 65536, 300000], text: 'text', code: 3001, wasClean: true });
  await chrome.close();
}

(async () => {
  const clients = [plain, socketIo, graphql, mqtt];
  if (browser) clients.push(chromium);
  for (const client of clients) {
    await client();
    console.log('ok ' + client.name);
  }
  console.log('done');
  process.exit(0);
})().catch((error) => {
  console.log('failed ' + error.stack.replace(/\n/g, ' | '));
  process.exit(1);
});
