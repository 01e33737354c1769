// Talks to the server as an application does that uses graphql-ws.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const url = process.argv[3];
const connect = (options = {}) =>
  createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, lazy: true, ...options });

const collect = (client, query, enough = Infinity) =>
  new Promise((resolve, reject) => {
    const results = [];
    const stop = client.subscribe({ query }, {
      next(result) {
        results.push(result);
        if (results.length >= enough) stop();
      },
      error: reject,
      complete: () => resolve(results),
    });
  });

const client = connect({ connectionParams: { name: 'ana' }, keepAlive: 50 });

const counted = await collect(client, 'subscription { count(to: 3) }');
assert.deepEqual(counted.map((result) => result.data.count), [1, 2, 3]);

const stopped = await collect(client, 'subscription { busy }', 5);
assert.ok(stopped.length >= 5);

const [query] = await collect(client, '{ caller }');
assert.equal(query.data.caller, 'ana');

// An invalid document rejects, and the socket lives on.
const errors = await collect(client, 'subscription { unknown }').catch((rejected) => rejected);
assert.equal(errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
assert.equal((await collect(client, '{ hello }'))[0].data.hello, 'world');
await client.dispose();

// After a refusal and after the token expired, the client hears why and may come back with another one.
const refused = connect({ connectionParams: { refuse: '401' } });
assert.equal((await collect(refused, '{ hello }').catch((event) => event)).code, 4403);

let attempts = 0;
const renewing = connect({
  connectionParams: () => (attempts++ === 0 ? { expiresInMs: 100 } : { name: 'renewed' }),
  retryAttempts: 1,
  retryWait: async () => {},
  shouldRetry: (event) => event.code === 4403,
});
const closed = new Promise((resolve) => renewing.on('closed', resolve));
const endless = collect(renewing, 'subscription { silent }').catch(() => {});
assert.equal((await closed).code, 4403);
assert.equal((await collect(renewing, '{ caller }'))[0].data.caller, 'renewed');
await renewing.dispose();
await endless;

console.log('all steps ok');
process.exit(0);
