// Short-lived state with Redis beside PostgreSQL: Redis serves it, PostgreSQL decides what is used up and takes over while
// Redis is away. Nothing that a person or a client was told is lost with Redis, but the way to it may begin anew.

import type { TransientsHome } from './home.ts';
import { type ModelName, models } from './models.ts';
import type { RedisRows } from './redis-rows.ts';
import type { Spent } from './spent.ts';
import type { StoredRow, TokenRows } from './token-rows.ts';

export function createTransientRows(deps: {
  rows: TokenRows;
  fast: RedisRows;
  spent: Spent;
  home: TransientsHome;
  longestSeconds: number;
}): TokenRows {
  const { rows, fast, spent, home } = deps;

  /** As it is where Redis is not to be trusted alone: used up when the durable mark says so. */
  async function verified<Row extends StoredRow>(model: ModelName, row: Row | undefined) {
    const spentAt = row && !row.consumedAt ? await spent.find(row.idHash) : undefined;
    if (row === undefined || spentAt === undefined) return row;
    if (!models[model].consumable) return undefined;
    return { ...row, consumedAt: spentAt, consumedSecondsAgo: (Date.now() - spentAt.getTime()) / 1000 };
  }

  /** Asks both in the order that makes the newer copy win. */
  async function ask<Row extends StoredRow>(
    model: ModelName,
    inRedis: () => Promise<{ value: Row | undefined } | undefined>,
    inPostgres: () => Promise<Row | undefined>,
  ): Promise<Row | undefined> {
    if (!home.postgresFirst()) {
      const found = await inRedis();
      return found?.value ?? verified(model, await inPostgres());
    }
    return verified(model, (await inPostgres()) ?? (await inRedis())?.value);
  }

  const find = (model: ModelName, idHash: Buffer) =>
    ask<StoredRow>(
      model,
      () => fast.find(model, idHash),
      () => rows.find(model, idHash),
    );

  /** For what PostgreSQL may hold: all that was written there while Redis was away, and every device code answered. */
  const inPostgresToo = (model: ModelName) => model === 'DeviceCode' || home.postgresMayHold();

  return {
    find,

    findByUserCode: (model, userCodeHash) =>
      ask<StoredRow>(
        model,
        () => fast.findByUserCode(model, userCodeHash),
        () => rows.findByUserCode(model, userCodeHash),
      ),

    poll: (idHash, intervalSeconds) =>
      ask<StoredRow & { tooSoon: boolean }>(
        'DeviceCode',
        () => fast.poll(idHash, intervalSeconds),
        () => rows.poll(idHash, intervalSeconds),
      ),

    // What the ledger tells of (a device that was allowed or refused) was told to a person, too: it is durable, with its
    // event, before Redis hears of it.
    async save(row, event) {
      const here = event || home.postgresFirst() ? await rows.save(row, event) : false;
      if (home.postgresFirst()) {
        // Begun in Redis, and still there: from its next step on it is here.
        if (here || (await find(row.model, row.idHash)) === undefined) return here;
        return rows.save({ ...row, again: false }, event);
      }
      const saved = await fast.save(row);
      if (saved === undefined) await home.fallBack();
      if (!event && (saved === undefined || (!saved.value && inPostgresToo(row.model)))) {
        // Redis had it and is lost: here it is new, whatever it was there.
        return rows.save(saved === undefined ? { ...row, again: false } : row, undefined);
      }
      return here || saved?.value === true;
    },

    async consume(model, idHash) {
      const row = await find(model, idHash);
      if (!row || row.consumedAt) return false;
      if (!(await spent.take(idHash, deps.longestSeconds))) return false;
      if (!(await fast.markConsumed(model, idHash))) await home.fallBack();
      return true;
    },

    async remove(model, idHash, event) {
      const removed = await fast.remove(model, idHash);
      const away = removed === undefined;
      if (away) {
        await home.fallBack();
        // A copy that Redis may still have must not come to life when it returns.
        await spent.take(idHash, deps.longestSeconds);
      }
      const alsoHere =
        event || away || inPostgresToo(model) ? await rows.remove(model, idHash, event) : false;
      return removed?.value === true || alsoHere;
    },

    // A copy that outlives this in a lost Redis is worth nothing: whatever belongs to a grant is good only while the grant
    // itself is there, which the engine asks PostgreSQL (validateGrant).
    async removeOfGrant(model, grantId) {
      await fast.removeOfGrant(model, grantId);
      if (inPostgresToo(model)) await rows.removeOfGrant(model, grantId);
    },
  };
}
