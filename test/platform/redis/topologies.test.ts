// Sentinel and Cluster, with real ones: the counters work there, and a failover is survived.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis as Client } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLimits } from '../../../src/platform/limits/rate-limit.ts';
import { createRedisStore } from '../../../src/platform/limits/redis-store.ts';
import { createRedis, type Redis } from '../../../src/platform/redis/redis.ts';
import { silentLog } from '../../../src/platform/telemetry/log.ts';
import { freePort, type RedisProcess, spawnRedis, untilUp } from '../../support/redis.ts';
import { needs } from '../../support/tools.ts';

const processes: RedisProcess[] = [];
const clients: Redis[] = [];
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(processes.map((one) => one.end()));
});

async function start(more: readonly string[], port?: number): Promise<RedisProcess> {
  const process = await spawnRedis(more, port);
  processes.push(process);
  return process;
}

async function open(url: string): Promise<Redis> {
  const redis = createRedis(
    { url, keyPrefix: 'gatehouse:', commandTimeoutMilliseconds: 300 },
    { log: silentLog },
  );
  clients.push(redis);
  await untilUp(redis);
  return redis;
}

async function command(port: number, name: string, ...values: (string | number)[]): Promise<unknown> {
  const client = new Client(port, '127.0.0.1');
  try {
    return await client.call(name, ...values);
  } finally {
    client.disconnect();
  }
}

async function until(fine: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await fine()); attempt += 1) {
    if (attempt > 150) throw new Error('the servers did not find each other');
    await delay(100);
  }
}

/** Twelve a minute: seven at once. */
async function countsTogether(redis: Redis, key: string) {
  const instances = [1, 2].map(() => createLimits({ sample: 12 }, { store: createRedisStore(redis) }));
  const verdicts = await Promise.all(
    instances.flatMap((limits) => Array.from({ length: 20 }, () => limits.take('sample', key))),
  );
  return verdicts.filter((verdict) => verdict?.allowed === true).length;
}

describe.skipIf(needs('redis-server'))('a cluster', () => {
  let url = '';
  let ports: number[] = [];
  beforeAll(async () => {
    const nodes = await Promise.all(
      [0, 1, 2].map(() =>
        start(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'], freePort() - 10_000),
      ),
    );
    ports = nodes.map(({ port }) => port);
    const [first = 0] = ports;
    const slots = [0, 5461, 10_923, 16_384];
    for (const [index, port] of ports.entries()) {
      await command(port, 'CLUSTER', 'ADDSLOTSRANGE', slots[index] ?? 0, (slots[index + 1] ?? 0) - 1);
      await command(first, 'CLUSTER', 'MEET', '127.0.0.1', port);
    }
    const whole = /cluster_state:ok[\s\S]*cluster_known_nodes:3/;
    for (const port of ports)
      await until(async () => whole.test(`${await command(port, 'CLUSTER', 'INFO')}`));
    url = `redis+cluster://127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}`;
  }, 30_000);

  it('counts limits, whichever node a key is on', async () => {
    const redis = await open(url);
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) expect(await countsTogether(redis, key)).toBe(7);
  });

  it('needs no more permissions than the documentation says', async () => {
    const page = await readFile('docs/operations/redis.md', 'utf8');
    const [, rule = ''] = /^ACL SETUSER gatehouse (.+)$/m.exec(page) ?? [];
    const [, further = ''] = /^For a Cluster add `([^`]+)`/m.exec(page) ?? [];
    const words = `${rule.replace('>PASSWORD', '>s3cret')} ${further}`.split(' ');
    for (const port of ports) await command(port, 'ACL', 'SETUSER', 'gatehouse', ...words);
    const redis = await open(url.replace('://', '://gatehouse:s3cret@'));
    expect(await countsTogether(redis, 'restricted')).toBe(7);
  });

  it('brings messages', async () => {
    const [one, two] = [await open(url), await open(url)];
    const heard: string[] = [];
    two.subscribe('news', (text) => heard.push(text));
    const said = async () => {
      await one.publish('news', 'first');
      return heard.length;
    };
    await expect.poll(said, { timeout: 5_000 }).toBeGreaterThan(0);
  });
});

describe.skipIf(needs('redis-server'))('Sentinel', () => {
  let folder = '';
  let url = '';
  let master: RedisProcess;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gatehouse-sentinel-'));
    master = await start([]);
    await start(['--replicaof', `127.0.0.1 ${master.port}`]);
    const config = join(folder, 'sentinel.conf');
    const settings = [
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds mymaster 1000',
      'sentinel failover-timeout mymaster 3000',
    ];
    await writeFile(config, `${settings.join('\n')}\n`);
    const sentinel = await start([config, '--sentinel']);
    await until(async () => `${await command(master.port, 'INFO', 'replication')}`.includes('state=online'));
    const replicas = () => command(sentinel.port, 'SENTINEL', 'REPLICAS', 'mymaster');
    // `as`: a list, one item for each replica that the sentinel has found.
    await until(async () => ((await replicas()) as unknown[]).length === 1);
    url = `redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`;
  }, 40_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('leads to the master, and to the new one after a failover', { timeout: 40_000 }, async () => {
    const redis = await open(url);
    expect(await countsTogether(redis, 'before')).toBe(7);
    await master.end();
    await delay(100);
    expect(await countsTogether(redis, 'meanwhile')).toBeLessThanOrEqual(7);
    await expect.poll(() => redis.state(), { timeout: 5_000 }).toBe('down');
    await expect.poll(() => redis.state(), { timeout: 25_000 }).toBe('up');
    expect(await countsTogether(redis, 'after')).toBe(7);
  });
});
