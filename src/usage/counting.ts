// Counting in memory, so that what is counted costs one look into a map, and writing all of it in one statement.
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { UsageKind, UsageSubject, Used } from './schema.ts';

export interface CountedRow {
  readonly hour: string;
  readonly subjectKind: UsageSubject;
  readonly subjectId: string;
  /** Empty for none, as the column has it. */
  readonly organizationId: string;
  readonly kind: UsageKind;
  readonly meter: string;
  readonly amount: string;
}

export interface Counting {
  count(used: Used, kind: UsageKind, amounts?: Readonly<Record<string, bigint>>): void;
  /** Without a request of its own. */
  add(used: Used, kind: UsageKind, amounts: Readonly<Record<string, bigint>>): void;
  /** Writes what is counted so far; one at a time. What cannot be written is kept for the next time. */
  flush(): Promise<void>;
  /** How many subjects wait to be written. */
  waiting(): number;
}

interface Counter {
  readonly organizationId: string;
  requests: number;
  amounts: Map<string, bigint> | undefined;
  /** The same subject in another organization: seldom, and found by walking. */
  readonly other: Counter | undefined;
}

/** Subjects by kind of use and of subject: no key is put together for a count. */
type Counted = Record<UsageKind, Record<UsageSubject, Map<string, Counter>>>;

interface Hour {
  readonly number: number;
  readonly counted: Counted;
  subjects: number;
}

const HOUR = 3_600_000;
/** With as many subjects in memory, some 10 MB, they are written before their time. */
const SUBJECTS_AT_ONCE = 50_000;
/** While the database is away no more than this is kept. */
const SUBJECTS_KEPT = 200_000;

export function createCounting(deps: {
  clock: Clock;
  log: Log;
  write: (rows: readonly CountedRow[]) => Promise<void>;
  subjectsAtOnce?: number;
  subjectsKept?: number;
}): Counting {
  const { clock, log } = deps;
  const atOnce = deps.subjectsAtOnce ?? SUBJECTS_AT_ONCE;
  const kept = deps.subjectsKept ?? SUBJECTS_KEPT;
  let current = emptyHour(hourOf(clock));
  /** Of hours that are over, and what could not be written. */
  let past: Hour[] = [];
  let flushing: Promise<void> | undefined;
  let lost = 0;

  const waiting = () => past.reduce((sum, hour) => sum + hour.subjects, current.subjects);

  function addTo(
    subject: UsageSubject,
    id: string | null | undefined,
    organizationId: string,
    kind: UsageKind,
    amounts: Readonly<Record<string, bigint>> | undefined,
    requests: 0 | 1,
  ): void {
    if (id === null || id === undefined) return;
    const subjects = current.counted[kind][subject];
    const first = subjects.get(id);
    let counter = first;
    while (counter !== undefined && counter.organizationId !== organizationId) counter = counter.other;
    if (counter === undefined) {
      if (waiting() >= kept) {
        lost += 1;
        return;
      }
      counter = { organizationId, requests: 0, amounts: undefined, other: first };
      subjects.set(id, counter);
      current.subjects += 1;
    }
    counter.requests += requests;
    if (amounts !== undefined) addAmounts(counter, amounts);
  }

  async function writeAll(): Promise<void> {
    const hours = past;
    if (current.subjects > 0) hours.push(current);
    past = [];
    current = emptyHour(hourOf(clock));
    while (hours.length > 0) {
      const [hour] = hours;
      if (hour === undefined) break;
      try {
        await deps.write(rowsOf(hour));
      } catch (error) {
        // All of an hour is one statement: it is there as a whole or not at all.
        past = [...hours, ...past];
        log.warn('usage could not be written and will be tried again', { error });
        return;
      }
      hours.shift();
    }
    if (lost > 0) log.warn('usage was not counted, the database was away too long', { lost });
    lost = 0;
  }

  function flush(): Promise<void> {
    flushing ??= writeAll().finally(() => {
      flushing = undefined;
    });
    return flushing;
  }

  function addAll(
    used: Used,
    kind: UsageKind,
    amounts: Readonly<Record<string, bigint>> | undefined,
    requests: 0 | 1,
  ): void {
    const hour = hourOf(clock);
    if (hour !== current.number) {
      if (current.subjects > 0) past.push(current);
      current = emptyHour(hour);
    }
    const organizationId = used.organizationId ?? '';
    addTo('api-key', used.apiKeyId, organizationId, kind, amounts, requests);
    // A token of a key names the key as its client.
    if (used.clientId !== used.apiKeyId)
      addTo('client', used.clientId, organizationId, kind, amounts, requests);
    addTo('token', used.tokenId, organizationId, kind, amounts, requests);
    addTo('account', used.accountId, organizationId, kind, amounts, requests);
    if (current.subjects >= atOnce && flushing === undefined) void flush();
  }

  return {
    count: (used, kind, amounts) => addAll(used, kind, amounts, 1),
    add: (used, kind, amounts) => addAll(used, kind, amounts, 0),
    async flush() {
      // What was counted after a flush began is not in it.
      await flushing;
      await flush();
    },
    waiting,
  };
}

function addAmounts(counter: Counter, amounts: Readonly<Record<string, bigint>>): void {
  counter.amounts ??= new Map();
  for (const [meter, amount] of Object.entries(amounts)) {
    // The requests themselves are counted already.
    if (meter !== 'requests') counter.amounts.set(meter, (counter.amounts.get(meter) ?? 0n) + amount);
  }
}

function hourOf(clock: Clock): number {
  return Math.floor(clock.now().getTime() / HOUR);
}

function emptyHour(number: number): Hour {
  const subjects = () => ({
    'api-key': new Map<string, Counter>(),
    client: new Map<string, Counter>(),
    token: new Map<string, Counter>(),
    account: new Map<string, Counter>(),
  });
  const counted = { verify: subjects(), token: subjects(), 'forward-auth': subjects() };
  return { number, counted, subjects: 0 };
}

function rowsOf({ number, counted }: Hour): CountedRow[] {
  const hour = new Date(number * HOUR).toISOString();
  const rows: CountedRow[] = [];
  // `as`: Object.entries forgets the names of the fields, which emptyHour writes.
  for (const [kind, subjects] of Object.entries(counted) as [UsageKind, Counted[UsageKind]][]) {
    for (const [subjectKind, byId] of Object.entries(subjects) as [UsageSubject, Map<string, Counter>][]) {
      for (const [subjectId, first] of byId) {
        for (let one: Counter | undefined = first; one !== undefined; one = one.other) {
          const { organizationId } = one;
          const about = { hour, subjectKind, subjectId, organizationId, kind };
          if (one.requests > 0) rows.push({ ...about, meter: 'requests', amount: String(one.requests) });
          for (const [meter, amount] of one.amounts ?? [])
            rows.push({ ...about, meter, amount: String(amount) });
        }
      }
    }
  }
  return rows;
}
