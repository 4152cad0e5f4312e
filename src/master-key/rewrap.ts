// Brings every sealed value under the master key in use: small steps, each complete in itself, so that a process may die
// at any moment and the next run goes on where values are still under another key.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../platform/database/postgres.ts';
import { SealBroken, type Vault } from '../platform/secrets/vault.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { type Place, placeOf, places, readUnder, replaceValues, type SealedRow } from './store.ts';

export interface Rewrapped {
  values: number;
  /** Values that do not open: left as they are. */
  broken: number;
  /** False when it was told to stop before the end. */
  complete: boolean;
}

const STEP = 200;
const PAUSE_MILLISECONDS = 20;

export async function rewrapAll(
  deps: { db: Db; vault: Vault; log: Log },
  signal?: AbortSignal,
): Promise<Rewrapped> {
  const done: Rewrapped = { values: 0, broken: 0, complete: true };
  for (const place of places()) {
    let after: string | undefined;
    for (;;) {
      if (signal?.aborted === true) return { ...done, complete: false };
      const rows = await readUnder(deps.db, place, { otherThan: deps.vault.keyId, after, limit: STEP });
      const opened = rows.flatMap((row) => rewrapOne(deps, place, row));
      if (opened.length > 0) done.values += await replaceValues(deps.db, place, opened);
      done.broken += rows.length - opened.length;
      after = rows.at(-1)?.key;
      if (rows.length < STEP) break;
      await delay(PAUSE_MILLISECONDS);
    }
  }
  return done;
}

function rewrapOne(deps: { vault: Vault; log: Log }, place: Place, { key, sealed }: SealedRow) {
  try {
    return [{ key, old: sealed, sealed: deps.vault.rewrap(sealed, placeOf(place, key)) }];
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    deps.log.warn('a sealed value cannot be brought under the new master key', {
      place: place.name,
      reason: error.reason,
    });
    return [];
  }
}
