// PostgreSQL killed, silent, stopped, and out of disk.

import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { Fault } from './drill.ts';
import type { World } from './world.ts';

export const databaseFaults: readonly Fault[] = [
  {
    id: 'postgres-killed',
    title: 'PostgreSQL is killed (`kill -9` of the postmaster), and started after 3 s',
    async run({ world: { postgres } }, mended) {
      await postgres.kill();
      await delay(3_000);
      await postgres.start();
      mended();
      return [];
    },
  },
  {
    id: 'postgres-silent',
    title: 'PostgreSQL is silent for 8 s (SIGSTOP of all its processes)',
    async run({ world: { postgres } }, mended) {
      await postgres.pause();
      await delay(8_000);
      await postgres.resume();
      mended();
      return [];
    },
  },
  {
    id: 'postgres-stopped',
    title: 'PostgreSQL is stopped (immediate), and started after 10 s',
    async run({ world: { postgres } }, mended) {
      await postgres.stopAtOnce();
      await delay(10_000);
      await postgres.start();
      mended();
      return [];
    },
  },
  {
    id: 'disk-full',
    title: 'The disk of PostgreSQL is full for 12 s',
    unable: ({ disk }) =>
      disk.fill === undefined
        ? 'no small file system could be mounted (needs root and a loop device)'
        : undefined,
    async run({ world }, mended) {
      world.disk.fill?.();
      const first = await stateOf(world);
      await delay(6_000);
      // A new segment of the log is wanted as well, as after some time under load.
      await switchLog(world);
      await delay(6_000);
      const later = await stateOf(world);
      world.disk.makeRoom();
      mended();
      // As a service manager does it; PostgreSQL gives up when it cannot even recover.
      const ended = later === 'away' && (await isAwayFor(world, 3_000));
      if (ended) await world.postgres.start();
      return [
        `PostgreSQL ${first} when the disk was just full, ${later} at the end`,
        ended ? 'PostgreSQL had ended by itself and was started' : 'PostgreSQL went on by itself',
      ];
    },
  },
];

async function stateOf(world: World): Promise<'answered' | 'away'> {
  const client = new Client({ connectionString: world.postgres.url(), connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return 'answered';
  } catch {
    return 'away';
  } finally {
    await client.end().catch(() => {});
  }
}

async function isAwayFor(world: World, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (performance.now() < deadline) {
    if ((await stateOf(world)) === 'answered') return false;
    await delay(200);
  }
  return true;
}

async function switchLog(world: World): Promise<void> {
  const url = new URL(world.postgres.url());
  url.username = 'postgres';
  const client = new Client({ connectionString: url.href, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    for (let count = 0; count < 12; count += 1) {
      await client.query(`select pg_logical_emit_message(true, 'drill', 'x'), pg_switch_wal()`);
    }
  } catch {
    // It is full: that is the point.
  } finally {
    await client.end().catch(() => {});
  }
}
