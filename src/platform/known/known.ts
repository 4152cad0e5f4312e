// What requests ask for again and again, kept in process: bounded, and looked up anew after a change of it.
import type { Clock } from '../clock.ts';

export interface Known<T> {
  get(id: string): Promise<T | undefined>;
  /** These changed, or anything did: none of them is answered any more from what was read before. */
  expire(ids: readonly string[] | undefined): void;
}

interface Entry<T> {
  value: Promise<T | undefined>;
  epoch: number;
  until: number;
  /** Beyond `until`, for as long as changes are heard of. */
  kept: boolean;
}

const MAXIMUM_ENTRIES = 20_000;
// A change expires its entry within a second or two; the age limit is for a node that has heard of no change for so long.
const FOUND_MILLISECONDS = 60_000;
// A flood of made-up ids must not become a flood of queries, and what was made elsewhere must not stay unknown.
const MISSED_MILLISECONDS = 3_000;
const EXPIRED = -1;

export function createKnown<T>(deps: {
  clock: Clock;
  /** Answers `previous` itself when nothing about it changed, so that what was built from it stays in use. */
  load: (id: string, previous: T | undefined) => Promise<T | undefined>;
  /** For how long, in milliseconds, changes may have gone unheard. */
  silence: () => number;
  /** No entry is used when changes have gone unheard for longer than this: for what says who may do what. */
  maximumSilence?: number;
  maximumEntries?: number;
}): Known<T> {
  const maximum = deps.maximumEntries ?? MAXIMUM_ENTRIES;
  // Found and missed are apart, so that made-up ids cannot push out real ones.
  const found = new Map<string, Entry<T>>();
  const missed = new Map<string, Entry<T>>();
  const loading = new Map<string, Entry<T>>();
  let epoch = 0;

  const fresh = (entry: Entry<T> | undefined): entry is Entry<T> =>
    entry !== undefined &&
    entry.epoch === epoch &&
    (deps.maximumSilence === undefined ? isYoung(entry) : deps.silence() < deps.maximumSilence);

  const isYoung = (entry: Entry<T>): boolean =>
    deps.clock.now().getTime() < entry.until || (entry.kept && deps.silence() < FOUND_MILLISECONDS);

  async function load(id: string, entry: Entry<T>): Promise<T | undefined> {
    try {
      const value = await deps.load(id, await found.get(id)?.value);
      // What was read before a change must not take the place of what was read after it.
      if (entry.epoch === epoch && loading.get(id) === entry) settle(id, entry, value);
      return value;
    } finally {
      if (loading.get(id) === entry) loading.delete(id);
    }
  }

  function settle(id: string, entry: Entry<T>, value: T | undefined): void {
    found.delete(id);
    missed.delete(id);
    const now = deps.clock.now().getTime();
    entry.until = now + (value === undefined ? MISSED_MILLISECONDS : FOUND_MILLISECONDS);
    entry.kept = value !== undefined;
    keep(value === undefined ? missed : found, id, entry, maximum);
  }

  return {
    get(id) {
      const entry = found.get(id) ?? missed.get(id);
      if (fresh(entry)) return entry.value;
      const started = loading.get(id);
      if (started?.epoch === epoch) return started.value;
      const next: Entry<T> = { value: Promise.resolve(undefined), epoch, until: 0, kept: false };
      loading.set(id, next);
      next.value = load(id, next);
      return next.value;
    },
    expire(ids) {
      if (ids === undefined) epoch += 1;
      for (const id of ids ?? []) {
        // Its value stays, so that `load` can compare.
        const known = found.get(id);
        if (known) found.set(id, { ...known, epoch: EXPIRED });
        missed.delete(id);
        loading.delete(id);
      }
    },
  };
}

/** The oldest entry makes room, as a Map keeps the order of insertion; one that is asked for often is soon back. */
function keep<T>(entries: Map<string, T>, id: string, entry: T, maximum: number): void {
  if (entries.size >= maximum) {
    const oldest = entries.keys().next();
    if (!oldest.done) entries.delete(oldest.value);
  }
  entries.set(id, entry);
}
