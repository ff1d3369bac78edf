// A WebSocket client that is not ours. Usage: client.cjs PORT HOST MESSAGE. Prints what comes back, then `closed CODE`.
const WebSocket = require('ws');
const [port, host, message] = process.argv.slice(2);
const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['chat'], { headers: { host } });
ws.on('open', () => { console.log(`open ${ws.protocol}`); ws.send(message); });
ws.on('message', (data) => { console.log(String(data)); ws.close(1000); });
ws.on('unexpected-response', (_, response) => console.log(`status ${response.statusCode}`));
ws.on('close', (code) => { console.log(`closed ${code}`); process.exit(0); });
ws.on('error', (error) => console.log(`error ${error.message}`));
