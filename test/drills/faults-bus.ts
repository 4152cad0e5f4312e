// What nodes tell each other: messages that never come, keys that change under load, clocks that disagree.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { decodeProtectedHeader } from 'jose';
import { Client } from 'pg';
import { basic, post, type RelyingParty } from '../flows/relying-party.ts';
import type { Fault } from './drill.ts';
import { api, type Scene } from './load.ts';
import type { World } from './world.ts';

const SEEN_MILLISECONDS = 5_000;
const FAKETIME = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
].find(existsSync);

export const busFaults: readonly Fault[] = [
  {
    id: 'clock',
    title: 'The clock of one node is 10 minutes ahead for 8 s, then 10 minutes behind for 8 s',
    unable: () => (FAKETIME === undefined ? 'libfaketime is not installed' : undefined),
    async run(scene, mended) {
      const [, node] = scene.world.nodes;
      const file = join(scene.world.folder, 'clock');
      const jump = (text: string) => writeFileSync(file, text);
      jump('+0');
      await node.stop();
      await node.start({
        LD_PRELOAD: FAKETIME ?? '',
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_CACHE_DURATION: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      });
      const notes: string[] = [];
      for (const offset of ['+600', '-600']) {
        const before = scene.recorder.acts.length;
        jump(offset);
        await delay(8_000);
        const acts = scene.recorder.acts.slice(before);
        const bad = acts.filter(({ outcome }) => outcome !== 'ok');
        notes.push(`at ${offset} s: ${bad.length} of ${acts.length} not answered as asked`);
      }
      jump('+0');
      mended();
      return notes;
    },
    after: tokensOfOtherTimes,
  },
  {
    id: 'bus-dropped',
    title: 'No message between the nodes arrives, while a client is disabled and keys are rotated',
    planned: true,
    async run(scene, mended) {
      const { cast, world } = scene;
      const deaf = await dropMessages(world);
      try {
        mended();
        await delay(500);
        const disabled = await seenAfter(
          scene,
          () => setStatus(scene, 'disabled'),
          async (origin) => (await tokenAt(origin, cast.subject)).body.error === 'invalid_client',
        );
        const enabled = await seenAfter(
          scene,
          () => setStatus(scene, 'active'),
          async (origin) => (await tokenAt(origin, cast.subject)).status === 200,
        );
        const kid = { before: '', now: '' };
        kid.before = await kidAt(world.nodes[0].origin, cast.subject);
        const rotated = await seenAfter(
          scene,
          () => rotate(scene),
          async (origin) => {
            const found = await kidAt(origin, cast.subject);
            return found !== kid.before && found !== '';
          },
        );
        const late = Object.entries({ disabled, enabled, rotated }).filter(
          ([, ms]) => ms > SEEN_MILLISECONDS,
        );
        for (const [what] of late)
          scene.truth.lost.push(`a change that the other node did not see in 5 s: ${what}`);
        return [
          `seen by every worker after: disabled ${disabled} ms, enabled ${enabled} ms, new key ${rotated} ms`,
          `connections that listened, cut: ${deaf.cut()}`,
        ];
      } finally {
        await deaf.stop();
      }
    },
  },
  {
    id: 'keys-rotated',
    title: 'The signing keys are rotated three times',
    planned: true,
    async run(scene, mended) {
      mended();
      for (let times = 0; times < 3; times += 1) {
        await rotate(scene);
        await delay(3_000);
      }
      return [];
    },
  },
];

/** A token lives for ten minutes, so that one of another clock is not valid yet, or no more; a node with that clock knows. */
async function tokensOfOtherTimes(scene: Scene): Promise<readonly string[]> {
  const { world, truth, cast } = scene;
  const [right, node] = world.nodes;
  const { client, secret } = cast.opaque;
  const isActive = async (origin: string, text: string) =>
    (await post(`${origin}/introspect`, { token: text }, basic(client, secret))).body.active === true;
  let others = 0;
  for (const offset of ['+660', '-660']) {
    writeFileSync(join(world.folder, 'clock'), offset);
    await delay(2_500);
    for (const token of truth.opaque.filter(({ state }) => state === 'active')) {
      if (await isActive(right.origin, token.text)) continue;
      if (!(await isActive(node.origin, token.text))) continue;
      others += 1;
      token.state = 'in doubt';
    }
  }
  await node.stop();
  await node.start();
  return [`tokens that are good only by the clock of the node that issued them: ${others}`];
}

const tokenAt = (origin: string, party: RelyingParty) =>
  post(
    `${origin}/token`,
    { grant_type: 'client_credentials' },
    { ...basic(party.client, party.secret), connection: 'close' },
  );

async function kidAt(origin: string, party: RelyingParty): Promise<string> {
  const { body } = await tokenAt(origin, party);
  return decodeProtectedHeader(String(body.access_token)).kid ?? '';
}

async function rotate(scene: Scene): Promise<void> {
  const { origin } = scene.world.nodes[0];
  await api(scene, 'POST', '/signing-keys/rotate', { force: true }, {}, origin);
}

async function setStatus(scene: Scene, status: 'active' | 'disabled'): Promise<void> {
  const path = `/clients/${scene.cast.subject.client.id}`;
  const { origin } = scene.world.nodes[0];
  // Its name is changed all the while: whoever comes late reads again.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const found = await api(scene, 'GET', path, undefined, {}, origin);
    const etag = found.headers.get('etag') ?? '';
    const done = await api(scene, 'PATCH', path, { status }, { 'if-match': etag }, origin).catch(
      () => undefined,
    );
    if (done) return;
  }
  throw new Error('the client could not be changed');
}

/** From the acknowledged change until six answers in a row of each node, from whichever worker, know of it. */
async function seenAfter(
  { world }: Scene,
  change: () => Promise<void>,
  isSeen: (origin: string) => Promise<boolean>,
): Promise<number> {
  await change();
  const begun = performance.now();
  const seen = world.nodes.map(async ({ origin }) => {
    let last = begun;
    for (let inARow = 0; inARow < 6 && performance.now() - begun < 2 * SEEN_MILLISECONDS; ) {
      const isKnown = await isSeen(origin);
      inARow = isKnown ? inARow + 1 : 0;
      if (!isKnown) last = performance.now();
    }
    return last - begun;
  });
  return Math.round(Math.max(...(await Promise.all(seen))));
}

/** Redis lets nobody subscribe, and every connection that listens in PostgreSQL is cut, again and again. */
async function dropMessages(world: World): Promise<{ cut(): number; stop(): Promise<void> }> {
  const url = new URL(world.postgres.url());
  url.username = 'postgres';
  const database = new Client({ connectionString: url.href });
  await database.connect();
  const redis = new Redis(world.redis.url);
  // Publishing goes on: a Redis that refuses it counts as away, which is another drill.
  await redis.call('ACL', 'SETUSER', 'default', '-subscribe');
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const state = { over: false, cut: 0 };
  const busy = (async () => {
    while (!state.over) {
      const { rowCount } = await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %'`,
      );
      state.cut += rowCount ?? 0;
      await delay(3);
    }
  })();
  return {
    cut: () => state.cut,
    async stop() {
      state.over = true;
      await busy;
      await database.end();
      await redis.call('ACL', 'SETUSER', 'default', '+subscribe');
      redis.disconnect();
    },
  };
}
