// Changes reach every node: only committed ones, each at least once, also after a listener failed.
import { expect, test } from 'vitest';
import { createChanges } from '../../src/platform/changes.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();

function node() {
  const changes = createChanges({ db, log: silentLog });
  const heard: string[] = [];
  changes.on('clients', () => void heard.push('clients'));
  changes.on('apis', () => void heard.push('apis'));
  return { changes, heard };
}

test('tells another node of a change, and only of that topic', async () => {
  const [here, there] = [node(), node()];
  await there.changes.poll();
  there.heard.length = 0;
  await here.changes.bump(db, 'clients');
  await there.changes.poll();
  expect(there.heard).toEqual(['clients']);
  await there.changes.poll();
  expect(there.heard).toEqual(['clients']);
});

test('tells its own node too', async () => {
  const { changes, heard } = node();
  await changes.poll();
  heard.length = 0;
  await changes.bump(db, 'apis');
  await changes.poll();
  expect(heard).toEqual(['apis']);
});

test('says nothing of a change that was undone', async () => {
  const { changes, heard } = node();
  await changes.poll();
  heard.length = 0;
  await postgres
    .transaction(async (trx) => {
      await changes.bump(trx, 'apis');
      throw new Error('undone');
    })
    .catch(() => {});
  await changes.poll();
  expect(heard).toEqual([]);
});

test('is heard within two seconds without being asked', async () => {
  const [here, there] = [node(), node()];
  await there.changes.start();
  there.heard.length = 0;
  await here.changes.bump(db, 'clients');
  await expect.poll(() => there.heard, { timeout: 2_000 }).toEqual(['clients']);
  await there.changes.stop();
});

test('calls a listener again that failed', async () => {
  const changes = createChanges({ db, log: silentLog });
  let calls = 0;
  changes.on('signing-keys', () => {
    calls += 1;
    if (calls === 1) throw new Error('not this time');
  });
  await changes.bump(db, 'signing-keys');
  await expect(changes.poll()).rejects.toThrow('not this time');
  await changes.poll();
  await changes.poll();
  expect(calls).toBe(2);
});

test('loses no count when many change at once', async () => {
  const { changes } = node();
  const before = await revision();
  await Promise.all(
    Array.from({ length: 20 }, () => postgres.transaction((trx) => changes.bump(trx, 'clients'))),
  );
  expect((await revision()) - before).toBe(20);
});

async function revision(): Promise<number> {
  const row = await db('change_counters').where({ topic: 'clients' }).first('revision');
  return Number(row?.revision ?? 0);
}
