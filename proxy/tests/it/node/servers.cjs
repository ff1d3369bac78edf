// WebSocket servers that are not ours, each on a port of its own; prints the ports as JSON.
const http = require('http');
const { WebSocketServer, createWebSocketStream } = require('ws');
const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

// Node's ws, with compression and subprotocols: echoes.
const plain = http.createServer();
new WebSocketServer({ server: plain, perMessageDeflate: { threshold: 0 } }).on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});

// Socket.IO: begins by long polling and upgrades.
const chat = http.createServer();
new (require('socket.io').Server)(chat).on('connection', (socket) => {
  socket.on('hello', (name, answer) => {
    answer('hello ' + name + ' by ' + socket.conn.transport.name);
    socket.emit('binary', Buffer.alloc(70000, 7));
  });
});

// graphql-ws: a subscription.
const graph = http.createServer();
const { GraphQLSchema, GraphQLObjectType, GraphQLInt } = require('graphql');
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { one: { type: GraphQLInt, resolve: () => 1 } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      count: {
        type: GraphQLInt,
        subscribe: async function* () {
          for (let count = 1; count <= 5; count++) yield { count };
        },
      },
    },
  }),
});
require('graphql-ws/use/ws').useServer({ schema }, new WebSocketServer({ server: graph }));

// MQTT over WebSocket.
const broker = http.createServer();
const aedes = require('aedes')();
new WebSocketServer({ server: broker, handleProtocols: () => 'mqtt' }).on('connection', (socket, request) => {
  aedes.handle(createWebSocketStream(socket), request);
});

Promise.all([plain, chat, graph, broker].map(listen)).then(([ws, io, graphql, mqtt]) => {
  console.log(JSON.stringify({ ws, io, graphql, mqtt }));
});
