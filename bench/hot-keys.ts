// What keys that are in use cost: verifies each of those that come in, one a line, and prints the bytes that are kept of them.
// Usage: node --expose-gc bench/hot-keys.ts < keys, with the settings of a server in the environment.
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { openServices } from '../src/open-services.ts';
import { loadConfig } from '../src/platform/config/load.ts';
import { api } from './fixture.ts';

const AT_ONCE = 200;
/** What waits to be written is written after five. */
const SETTLING_MILLISECONDS = 8_000;

const config = loadConfig({ environment: process.env, directory: undefined });
const { services, close } = await openServices(config, { role: 'serve' });
// As in a server: without these changes are never heard of, and what was counted is never written.
await services.changes.start();
services.usage.start();

async function verify(credential: string): Promise<void> {
  const body = {
    credential,
    permissions: ['notes:read'],
    api: api.jwt,
    request: { address: '192.0.2.1' },
    constraints: {},
    meters: {},
    reservationSeconds: 60,
    checksProof: false,
  };
  const { active } = await services.gateway.verify(body, { organizationId: null });
  if (!active) throw new Error('a key that is not good');
}

async function bytes(): Promise<number> {
  for (let pass = 0; pass < 3; pass += 1) {
    globalThis.gc?.();
    await delay(100);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const keys = (await text(process.stdin)).split('\n');
// The code, the pools and the plans of statements come first.
for (let pass = 0; pass < 100; pass += 1) await Promise.all(keys.slice(0, 100).map(verify));
const before = await bytes();
for (let at = 100; at < keys.length; at += AT_ONCE) {
  await Promise.all(keys.slice(at, at + AT_ONCE).map(verify));
}
await delay(SETTLING_MILLISECONDS);
const kept = await bytes();
process.stdout.write(String(kept - before));
// Held until here: they are not counted.
if (keys.length === 0) throw new Error('no keys');
await services.usage.stop();
await services.changes.stop();
await close();
