// Outgoing requests: with the private network closed, nothing is asked without the engine's guard.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createOutgoingFetch } from '../../src/platform/fetch.ts';

let server: Server;
let asked = 0;
beforeAll(async () => {
  server = createServer((_req, res) => {
    asked += 1;
    res.end('here');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => server.close());

const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

it('is refused without a guard while the private network is closed', async () => {
  const outgoing = createOutgoingFetch({ privateNetwork: 'refuse' });
  await expect(outgoing(url(), {})).rejects.toThrow('guard');
  expect(asked).toBe(0);
});

it('is made without a guard once the private network is open', async () => {
  const outgoing = createOutgoingFetch({ privateNetwork: 'allow' });
  expect(await (await outgoing(url(), {})).text()).toBe('here');
});
