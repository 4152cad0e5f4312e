// The doctor asks whoever stands at the public address, and trusts nothing of the answer, not even that it ends.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isProblem } from '../../../src/platform/inspect/problem.ts';
import { createAskPublic } from '../../../src/platform/inspect/public-address.ts';

const sent = { bytes: 0, ended: false };
const server = createServer((req, res) => {
  if (req.url === '/short') return void res.end('gr\u00fc\u00dfe');
  res.once('close', () => {
    sent.ended = true;
  });
  const send = () => {
    if (sent.ended) return;
    sent.bytes += 16 * 1024;
    if (res.write('x'.repeat(16 * 1024))) setImmediate(send);
    else res.once('drain', send);
  };
  send();
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));
const ask = (path: string) =>
  createAskPublic(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)(path);

it('reads an answer without end only as far as it is looked at, and hangs up', async () => {
  const answer = await ask('/endless');
  expect(isProblem(answer) ? answer : answer.text.length).toBe(64 * 1024);
  await expect.poll(() => sent.ended).toBe(true);
  expect(sent.bytes).toBeLessThan(20 * 1024 * 1024);
});

it('gives a short answer whole', async () => {
  expect(await ask('/short')).toMatchObject({ status: 200, text: 'gr\u00fc\u00dfe' });
});
