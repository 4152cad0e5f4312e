// The guess limit of the user-code page (RFC 8628 §5.1): codes typed per address and quarter of an hour, counted in the
// database so that neither a restart nor a second node gives new tries.
import { addressPrefix } from '../lib/ip.ts';
import type { Db } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import { currentOrigin } from '../platform/origin.ts';

const WINDOW_SECONDS = 15 * 60;
const TRIES_ALLOWED = 60;

export interface DeviceGuesses {
  /** Counts one typed code before it is looked at; answers 0, or the seconds until this address may try again. */
  admit(): Promise<number>;
  removeOld(signal?: AbortSignal): Promise<void>;
}

export function createDeviceGuesses(deps: { db: Db }): DeviceGuesses {
  const { db } = deps;
  const windowStart = `to_timestamp(floor(extract(epoch from now()) / ${WINDOW_SECONDS}) * ${WINDOW_SECONDS})`;

  return {
    async admit() {
      const admitted = await db.raw(
        `insert into device_code_guesses as counted (address_prefix, window_start, tries) values (?, ${windowStart}, 1)
         on conflict (address_prefix, window_start) do update set tries = counted.tries + 1
           where counted.tries < ?
         returning 1`,
        [addressPrefix(currentOrigin().address ?? ''), TRIES_ALLOWED],
      );
      if (admitted.rows.length === 1) return 0;
      const now = Date.now() / 1000;
      return Math.max(1, Math.ceil(WINDOW_SECONDS - (now % WINDOW_SECONDS)));
    },

    async removeOld(signal) {
      await inBatches(async (limit) => {
        const removed = await db.raw(
          `delete from device_code_guesses where ctid = any(array(
             select ctid from device_code_guesses
             where window_start < now() - make_interval(secs => ${2 * WINDOW_SECONDS})
             order by window_start limit ? for update skip locked))`,
          [limit],
        );
        return removed.rowCount ?? 0;
      }, signal);
    },
  };
}
