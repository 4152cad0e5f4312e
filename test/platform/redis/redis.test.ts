// Redis may be killed, stopped, restarted empty, full or read-only: callers go on within a bounded time, and it comes back.
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, test } from 'vitest';
import { createRedis, type Redis } from '../../../src/platform/redis/redis.ts';
import { createScript } from '../../../src/platform/redis/script.ts';
import type { Log } from '../../../src/platform/telemetry/log.ts';
import { untilUp, useRedis } from '../../support/redis.ts';
import { needs } from '../../support/tools.ts';

const TIMEOUT = 150;

function noting(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const line = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return {
    lines,
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
  };
}

async function timed<T>(run: () => Promise<T>): Promise<{ result: T; milliseconds: number }> {
  const begun = performance.now();
  const result = await run();
  return { result, milliseconds: performance.now() - begun };
}

const ping = (redis: Redis) => redis.use((client) => client.ping());

test('a server without Redis at its start goes on, says so once, and closes', async () => {
  const { log, lines } = noting();
  const settings = {
    url: 'redis://127.0.0.1:1',
    keyPrefix: 'gatehouse:',
    commandTimeoutMilliseconds: TIMEOUT,
  };
  const redis = createRedis(settings, { log });
  expect(redis.state()).toBe('down');
  expect(await ping(redis)).toBeUndefined();
  await expect.poll(() => lines, { timeout: 4_000 }).toHaveLength(1);
  await delay(500);
  expect(lines).toEqual(['warn: Redis is lost: the server goes on without it']);
  await redis.close();
});

describe.skipIf(needs('redis-server'))('with a real Redis', () => {
  const server = useRedis();

  async function client() {
    const { log, lines } = noting();
    const redis = server.newClient({ log, commandTimeoutMilliseconds: TIMEOUT });
    await untilUp(redis);
    return { redis, lines };
  }

  const lostAndBack = ['warn: Redis is lost: the server goes on without it', 'info: Redis is back'];

  it('runs commands and scripts, also after the scripts were forgotten', async () => {
    const { redis, lines } = await client();
    const script = createScript(`return { KEYS[1], ARGV[1] .. '!' }`);
    const run = () => redis.use((it) => script.run(it, ['a'], ['b']));
    expect(await run()).toEqual({ value: ['a', 'b!'] });
    await redis.use((it) => it.script('FLUSH'));
    expect(await run()).toEqual({ value: ['a', 'b!'] });
    expect(lines).toEqual([]);
  });

  it('passes on a mistake of the caller, and stays up', async () => {
    const { redis, lines } = await client();
    await expect(redis.use((it) => it.eval('nonsense', 0))).rejects.toThrow('ERR');
    await expect(redis.use(() => Promise.reject(new TypeError('mine')))).rejects.toThrow('mine');
    expect(redis.state()).toBe('up');
    expect(lines).toEqual([]);
  });

  it('costs one limit of time when it is stopped, and then nothing until it answers again', async () => {
    const { redis, lines } = await client();
    server.pause();
    const first = await timed(() => ping(redis));
    expect(first.result).toBeUndefined();
    expect(first.milliseconds).toBeLessThan(TIMEOUT + 100);
    const hundred = await timed(() => Promise.all(Array.from({ length: 100 }, () => ping(redis))));
    expect(hundred.milliseconds).toBeLessThan(50);
    await expect.poll(() => redis.state(), { timeout: 3_000 }).toBe('down');
    await delay(500);
    server.resume();
    await expect.poll(() => redis.state(), { timeout: 5_000 }).toBe('up');
    expect(await ping(redis)).toEqual({ value: 'PONG' });
    expect(lines).toEqual(lostAndBack);
  });

  it('is noticed to be silent although nobody asks', async () => {
    const { redis } = await client();
    server.pause();
    await expect.poll(() => redis.state(), { timeout: 4_000 }).toBe('down');
    server.resume();
    await expect.poll(() => redis.state(), { timeout: 4_000 }).toBe('up');
  });

  it('is found again after a long silence, by a new connection', { timeout: 30_000 }, async () => {
    const { redis, lines } = await client();
    server.pause();
    await ping(redis);
    await delay(7_000);
    server.resume();
    await expect.poll(() => redis.state(), { timeout: 8_000 }).toBe('up');
    expect(lines).toEqual(lostAndBack);
  });

  it('is used again after kill -9 and an empty restart', async () => {
    const { redis, lines } = await client();
    const told: string[] = [];
    redis.onState((state) => told.push(state));
    await redis.use((it) => it.set('kept', '1'));
    await server.stop();
    expect((await timed(() => ping(redis))).milliseconds).toBeLessThan(TIMEOUT + 100);
    await expect.poll(() => redis.state()).toBe('down');
    await server.start();
    await expect.poll(() => redis.state(), { timeout: 5_000 }).toBe('up');
    expect(await redis.use((it) => it.get('kept'))).toEqual({ value: null });
    expect(lines).toEqual(lostAndBack);
    expect(told).toEqual(['down', 'up']);
  });

  it('says nothing of a connection that is back at once', async () => {
    const { redis, lines } = await client();
    await server.redis.use((it) => it.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
    await expect.poll(() => ping(redis), { timeout: 2_000 }).toEqual({ value: 'PONG' });
    await delay(600);
    expect(lines).toEqual([]);
  });

  it('is left alone while it refuses to write, and used when it takes writes again', async () => {
    const { redis, lines } = await client();
    await server.redis.use((it) => it.call('CONFIG', 'SET', 'maxmemory', '1'));
    expect(await redis.use((it) => it.set('full', 'x'))).toBeUndefined();
    await expect.poll(() => redis.state(), { timeout: 2_000 }).toBe('down');
    await raw(server.url, 'CONFIG SET maxmemory 0');
    await expect.poll(() => redis.state(), { timeout: 2_000 }).toBe('up');
    expect(lines).toEqual(lostAndBack);
  });

  it('hears what is published, also after the connection was lost', async () => {
    const { redis } = await client();
    const heard: string[] = [];
    redis.subscribe('news', (text) => heard.push(text));
    const publish = async (text: string) => {
      await server.redis.publish('news', text);
      return heard.at(-1);
    };
    await expect.poll(() => publish('first')).toBe('first');
    await server.stop();
    await server.start();
    await expect.poll(() => publish('second'), { timeout: 5_000 }).toBe('second');
  });
});

/** One command without our client, which leaves a Redis alone that does not do its work. */
async function raw(url: string, command: string): Promise<void> {
  const { hostname, port } = new URL(url);
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(`${command}\r\n`));
    socket.once('data', () => socket.end());
    socket.once('close', () => resolve());
    socket.once('error', reject);
  });
}
