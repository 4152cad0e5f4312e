// What keys cost that are in use at the same time: memory for each, and no statement at all.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { newId } from '../../src/lib/ids.ts';
import { useNodes } from './world.ts';

const nodes = useNodes();
const KEYS = 20_000;
const BATCH = 500;

it('holds 100,000 hot keys in 100 MB, with what their owners and roles allow', {
  timeout: 60_000,
}, async () => {
  const ids = Array.from({ length: KEYS }, () => newId('key'));
  await insertKeys(ids);
  const { apiKeys } = nodes.services;
  const before = heap();
  for (let from = 0; from < KEYS; from += BATCH) {
    await Promise.all(
      ids.slice(from, from + BATCH).map(async (id) => {
        const key = await apiKeys.known(id);
        expect(key && (await apiKeys.effective(key))?.permissions.texts).toHaveLength(2);
      }),
    );
  }
  const each = (heap() - before) / KEYS;
  expect(each).toBeLessThan(1_000);
  const statements: string[] = [];
  const note = ({ sql }: { sql: string }) => statements.push(sql);
  nodes.database.db.on('query', note);
  const hot = await apiKeys.known(ids[0] ?? '');
  await (hot && apiKeys.effective(hot));
  nodes.database.db.removeListener('query', note);
  expect(statements.filter((sql) => /api_key|role|account/.test(sql))).toEqual([]);
});

async function insertKeys(ids: readonly string[]): Promise<void> {
  const { db } = nodes.database;
  await db.raw(
    `insert into api_keys (id, account_id, root_id, name, permissions, expires_at, created_at)
     select id, ?, id, 'Service ' || id, '{files:read,notes:write}', now() + interval '1 year', now()
     from unnest(?::text[]) as k (id)`,
    [nodes.admin().id, [...ids]],
  );
  await db.raw(
    `insert into api_key_secrets (id, key_id, hash, pepper_version, created_at)
     select 'kse_' || substr(id, 5), id, sha256(id::bytea), 1, now() from unnest(?::text[]) as k (id)`,
    [[...ids]],
  );
}

function heap(): number {
  setFlagsFromString('--expose-gc');
  // A new context has what the flag brings; this one was made before.
  const collect: () => void = runInNewContext('gc');
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
