// A batch of people in one transaction: accounts, identifiers, passwords, memberships and their events, or nothing of it.
import type { AccountBulk } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { Passwords } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { located, type Person, type Refused } from './person.ts';
import type { ImportRules, Outcome } from './schema.ts';

export interface WritingDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  bulk: AccountBulk;
  passwords: Pick<Passwords, 'hash' | 'bring'>;
  organizations: Pick<Organizations, 'addNewcomers'>;
}

export interface Writing {
  readonly by: Actor;
  readonly rules: ImportRules;
  readonly dryRun: boolean;
  readonly report: Telling;
}

export interface Telling {
  /** When all is written and before it is committed: what is told is true, or it is the last that was told. */
  append(outcomes: readonly Outcome[]): Promise<void>;
  /** It was not committed. */
  takeBack(): Promise<void>;
  /** It was. */
  keep(): void;
}

const ATTEMPTS = 5;
const HASHED_AT_ONCE = 4;

/** Somebody else has made an account with one of the identifiers in this very moment: the batch is looked at again. */
class TakenMeanwhile extends Error {}

export async function writeBatch(
  deps: WritingDeps,
  batch: readonly (Person | Refused)[],
  writing: Writing,
): Promise<Outcome[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await writeOnce(deps, batch, writing);
    } catch (error) {
      await writing.report.takeBack();
      if (attempt < ATTEMPTS && isPassing(error)) continue;
      if (!liesWithData(error)) throw error;
      return batch.length === 1 ? refuseAll(batch, writing) : writeHalves(deps, batch, writing);
    }
  }
}

/** A deadlock, or an organization that was removed meanwhile and is not there the next time. */
function isPassing(error: unknown): boolean {
  return error instanceof TakenMeanwhile || codeOf(error).startsWith('40');
}

function liesWithData(error: unknown): boolean {
  return error instanceof TakenMeanwhile || /^2[23]/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** One record that PostgreSQL refuses must not cost the others their place. */
async function writeHalves(
  deps: WritingDeps,
  batch: readonly (Person | Refused)[],
  writing: Writing,
): Promise<Outcome[]> {
  const middle = Math.ceil(batch.length / 2);
  const first = await writeBatch(deps, batch.slice(0, middle), writing);
  return [...first, ...(await writeBatch(deps, batch.slice(middle), writing))];
}

async function refuseAll(batch: readonly (Person | Refused)[], { report }: Writing): Promise<Outcome[]> {
  const outcomes = batch.map(
    (one): Outcome => ('candidate' in one ? { ...located(one), ...REFUSED_BY_DATABASE } : one),
  );
  await report.append(outcomes);
  report.keep();
  return outcomes;
}

const REFUSED_BY_DATABASE = {
  result: 'refused',
  code: 'request_invalid',
  reason: 'The database refuses this record.',
} as const;

async function writeOnce(
  deps: WritingDeps,
  batch: readonly (Person | Refused)[],
  writing: Writing,
): Promise<Outcome[]> {
  const { created, outcomes } = await decide(deps, batch);
  const brought = await bringable(deps, created, writing);
  const { report, dryRun } = writing;
  if (dryRun || created.length === 0) {
    await report.append(outcomes);
  } else {
    await deps.postgres.transaction(async (trx) => {
      await writePeople(deps, trx, { created, brought, outcomes }, writing);
      await report.append(outcomes);
    });
  }
  report.keep();
  return outcomes;
}

/** Who is new, who is there already, and who shares a user name with somebody else. */
async function decide(deps: WritingDeps, batch: readonly (Person | Refused)[]) {
  const wanted = batch.flatMap((one) =>
    'candidate' in one ? one.candidate.identifiers.map(({ normalized }) => normalized) : [],
  );
  const holders = await deps.bulk.holders(deps.postgres.db, wanted);
  const created: Person[] = [];
  const outcomes = batch.map((one): Outcome => {
    if (!('candidate' in one)) return one;
    const { id, identifiers } = one.candidate;
    // Mail addresses come first.
    const [first, second] = identifiers.map(({ normalized }) => holders.get(normalized));
    if (first !== undefined) return { ...located(one), result: 'present', id: first };
    if (second !== undefined) return { ...located(one), ...USERNAME_TAKEN };
    for (const { normalized } of identifiers) holders.set(normalized, id);
    created.push(one);
    return { ...located(one), result: 'created', id };
  });
  return { created, outcomes };
}

const USERNAME_TAKEN = {
  result: 'refused',
  code: 'identifier_taken',
  reason: 'Another account has this user name, with another mail address.',
} as const;

async function bringable({ passwords }: WritingDeps, people: readonly Person[], { rules, dryRun }: Writing) {
  const brought: { accountId: AccountId; hash: string; short: boolean; changeRequired: boolean }[] = [];
  const changeRequired = rules.requirePasswordChange;
  const waiting = people.filter(({ password }) => password !== undefined && !dryRun);
  const work = async () => {
    for (let one = waiting.pop(); one?.password !== undefined; one = waiting.pop()) {
      const { password } = one;
      const made = 'hash' in password ? { ...password, short: false } : await passwords.hash(password.plain);
      brought.push({ accountId: one.candidate.id, ...made, changeRequired });
    }
  };
  await Promise.all(Array.from({ length: HASHED_AT_ONCE }, work));
  return brought;
}

interface Written {
  created: readonly Person[];
  brought: Awaited<ReturnType<typeof bringable>>;
  outcomes: readonly Outcome[];
}

async function writePeople(
  deps: WritingDeps,
  trx: Db,
  { created, brought, outcomes }: Written,
  { by }: Writing,
): Promise<void> {
  const candidates = created.map(({ candidate }) => candidate);
  if (!(await deps.bulk.create(trx, candidates, by))) throw new TakenMeanwhile();
  await deps.passwords.bring(trx, brought);
  const places = created.flatMap(({ candidate, organizationId }) =>
    organizationId === undefined ? [] : [{ organizationId, accountId: candidate.id }],
  );
  await deps.organizations.addNewcomers(trx, places, by);
  await deps.audit.record(trx, {
    type: 'accounts.imported',
    actor: by,
    outcome: 'success',
    details: {
      ...countsOf(outcomes),
      passwords: brought.length,
      lines: [outcomes[0]?.line, outcomes.at(-1)?.line],
    },
  });
}

export function countsOf(outcomes: readonly Outcome[]): Record<Outcome['result'], number> {
  const counts = { created: 0, present: 0, refused: 0 };
  for (const { result } of outcomes) counts[result] += 1;
  return counts;
}
