// Bringing a directory of people along: read, checked and written a batch at a time, so that its size does not matter.
import { setImmediate } from 'node:timers/promises';
import { type Accounts, createAccountBulk } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { OrganizationId } from '../lib/ids.ts';
import { parseId } from '../lib/ids.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Clock } from '../platform/clock.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import { type Person, personIn, type Refused } from './person.ts';
import { type Columns, readEntries } from './reading.ts';
import { beginReport, type Report, resumeReport } from './report.ts';
import type { Entry, Format, ImportRules, ImportSummary, Outcome } from './schema.ts';
import type { Source } from './source.ts';
import { countsOf, type Telling, writeBatch } from './writing.ts';

export { formats, type ImportSummary, type Outcome } from './schema.ts';
export { openSource } from './source.ts';

export interface ImportInput {
  readonly source: Source;
  /** That of the source unless given. */
  readonly format?: Format | undefined;
  readonly columns: Columns;
  readonly rules: ImportRules;
  /** The file of the report; without one nothing can be resumed. */
  readonly report?: string | undefined;
  readonly resume: boolean;
  /** Everything is checked and nothing written. */
  readonly dryRun: boolean;
  /** With more refused records than this it stops. */
  readonly maximumRefused?: number | undefined;
  /** Hears of each batch when it stands. */
  readonly heard?: (outcomes: readonly Outcome[], sofar: ImportSummary) => void;
}

export interface Imports {
  /** Throws a UsageMistake for a file whose header, or whose report, is none. */
  run(input: ImportInput, by: Actor): Promise<ImportSummary>;
}

export interface ImportsDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  accounts: Pick<Accounts, 'profile'>;
  organizations: Pick<Organizations, 'findBySlug' | 'addNewcomers'>;
  credentials: Pick<Credentials, 'passwords'>;
}

/** Large enough that a commit costs little, small enough that a deadlock or a bad record costs little, too. */
const BATCH = 1000;
const PIECE = 100;
/** Their ids are looked up once; beyond so many, again. */
const REMEMBERED_ORGANIZATIONS = 10_000;

export function createImports(given: ImportsDeps): Imports {
  const { passwords } = given.credentials;
  const bulk = createAccountBulk({ ...given, profile: given.accounts.profile });
  const deps = { ...given, bulk, passwords };

  return {
    async run(input, by) {
      const { source, rules, dryRun } = input;
      const report = await openReport(input, (ids) => bulk.existing(given.postgres.db, ids));
      const tally = createTally(report, input);
      const organization = rememberedOrganizations(given.organizations);
      const entries = readEntries(source.bytes, input.format ?? source.format, input.columns);
      const write = async (batch: readonly (Person | Refused)[]) =>
        tally.add(await writeBatch(deps, batch, { by, rules, dryRun, report: report ?? silent }));
      try {
        // While one batch is written the next one is read and checked.
        let writing: Promise<void> = Promise.resolve();
        for await (const batch of batchesOf(entries, tally.records())) {
          const people = await inPieces(batch, (entry) =>
            personIn(entry, { bulk, passwords, organization, rules }),
          );
          await writing;
          if (tally.isOver()) break;
          writing = write(people);
          writing.catch(() => {});
        }
        await writing;
        return tally.summary();
      } finally {
        await report?.close();
      }
    },
  };
}

/** Between the pieces PostgreSQL is heard, so that it does not wait with the batch before until this one is checked. */
async function inPieces<From, To>(batch: readonly From[], make: (one: From) => Promise<To>): Promise<To[]> {
  const made: To[] = [];
  for (let at = 0; at < batch.length; at += PIECE) {
    made.push(...(await Promise.all(batch.slice(at, at + PIECE).map(make))));
    await setImmediate();
  }
  return made;
}

const silent: Telling = { append: async () => {}, takeBack: async () => {}, keep: () => {} };

async function openReport(
  { report, resume, source: { fingerprint } }: ImportInput,
  existing: (ids: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<Report | undefined> {
  if (report === undefined) return undefined;
  return resume
    ? resumeReport(report, { fingerprint, batch: BATCH, existing })
    : beginReport(report, { import: { fingerprint, startedAt: new Date().toISOString() } });
}

/** Without the first ones, which a run before this one has dealt with. */
async function* batchesOf(entries: AsyncIterable<Entry>, done: number): AsyncGenerator<Entry[]> {
  let passed = 0;
  let batch: Entry[] = [];
  for await (const entry of entries) {
    passed += 1;
    if (passed <= done) continue;
    batch.push(entry);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function createTally(report: Report | undefined, { maximumRefused, heard }: ImportInput) {
  const begun = performance.now();
  const counts = { created: 0, present: 0, refused: 0, ...report?.before };
  const records = () => counts.created + counts.present + counts.refused;
  const isOver = () => maximumRefused !== undefined && counts.refused > maximumRefused;
  const summary = (): ImportSummary => ({
    records: records(),
    ...counts,
    stopped: isOver(),
    seconds: Math.round((performance.now() - begun) / 100) / 10,
  });
  return {
    records,
    isOver,
    summary,
    add(outcomes: readonly Outcome[]) {
      const { created, present, refused } = countsOf(outcomes);
      counts.created += created;
      counts.present += present;
      counts.refused += refused;
      heard?.(outcomes, summary());
    },
  };
}

function rememberedOrganizations(organizations: Pick<Organizations, 'findBySlug'>) {
  const known = new Map<string, Promise<OrganizationId | undefined>>();
  return (slug: string): Promise<OrganizationId | undefined> => {
    const before = known.get(slug);
    if (before !== undefined) return before;
    if (known.size >= REMEMBERED_ORGANIZATIONS) known.clear();
    const found = organizations.findBySlug(slug).then((one) => parseId('org', one?.id ?? ''));
    known.set(slug, found);
    return found;
  };
}
