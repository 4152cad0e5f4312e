// Who has which permissions by which role, kept in process: one look into memory for a subject that was asked for before.
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import { createBatch } from '../platform/database/batch.ts';
import type { Db } from '../platform/database/postgres.ts';
import { createKnown, type Known } from '../platform/known/known.ts';
import {
  createReadHeld,
  findStandings,
  findWholeRoles,
  type Held,
  type Standing,
  type WholeRole,
} from './facts-store.ts';
import type { Facts, Source, Subject } from './schema.ts';

export interface FactBook {
  /** Undefined when the subject is gone, suspended, or no member of the organization. */
  of(subject: Subject, organizationId: string | null): Promise<Facts | undefined>;
  /** Keeps what `of` answers fresh. */
  start(): void;
}

export interface FactDeps {
  db: Db;
  clock: Clock;
  changes: Pick<Changes, 'on' | 'silence'>;
  /** What every account holds: permissions of APIs that are for everyone. Another object only when it changed. */
  everyone: () => PermissionSet;
}

/** What is known of a subject, with the facts made of it so far, by organization. */
interface Entry extends Standing {
  /** A list, for most have one or two places, and there are as many of these as subjects. */
  facts: readonly Kept[];
}

interface Kept {
  readonly organizationId: string | null;
  readonly facts: Facts;
  readonly generation: number;
  readonly everyone: PermissionSet;
}

/** What a combination of roles comes to; most subjects share theirs with many others. */
type Sum = Pick<Facts, 'permissions' | 'roles' | 'sources'>;

// Rights that were taken away are used no longer than this on a node that hears of no changes.
const MAXIMUM_SILENCE = 5_000;
const MAXIMUM_SUBJECTS = 250_000;
const MAXIMUM_SUMS = 5_000;
const MAXIMUM_PLACES = 100;

export function createFactBook(deps: FactDeps): FactBook {
  const { db, clock, changes } = deps;
  const kept = { clock, silence: changes.silence, maximumSilence: MAXIMUM_SILENCE };
  const subjects = { account: entries('account'), client: entries('client'), 'api-key': entries('api-key') };
  const wholeRoles = createBatch({
    inFlight: 2,
    companyMilliseconds: 1,
    run: (ids: readonly string[]) => findWholeRoles(db, ids),
  });
  const roles = createKnown<WholeRole>({ ...kept, load: (id) => wholeRoles.run(id) });
  const sums = createSums();
  const readHeld = createReadHeld();
  /** Of the roles: facts of an earlier one are looked at again. */
  let generation = 0;

  function entries(kind: Subject['kind']): Known<Entry> {
    const standings = createBatch({
      inFlight: 2,
      companyMilliseconds: 1,
      run: (ids: readonly string[]) => findStandings(db, kind, ids, readHeld),
    });
    return createKnown<Entry>({
      ...kept,
      maximumEntries: MAXIMUM_SUBJECTS,
      async load(id, previous) {
        // PostgreSQL takes no null byte in text; no id has one.
        const standing = id.includes('\0') ? undefined : await standings.run(id);
        if (standing === undefined) return undefined;
        // Facts that were made before are compared with, so that they stay the same object.
        if (previous && isSame(previous, standing)) return previous;
        const { organizations, held, identifiers } = standing;
        return { organizations, held, identifiers, facts: stale(previous?.facts ?? NONE) };
      },
    });
  }

  async function make(entry: Entry, organizationId: string | null, everyone: PermissionSet): Promise<Facts> {
    const begun = generation;
    const held = entry.held.filter(
      (one) => one.organizationId === null || one.organizationId === organizationId,
    );
    const whole = await Promise.all(held.map(({ roleId }) => roles.get(roleId)));
    const { permissions, roles: names, sources } = sums.of(begun, held, whole, everyone);
    const before = madeFor(entry, organizationId)?.facts;
    const next = { permissions, roles: names, sources, identifiers: entry.identifiers };
    const facts = before && isEqual(before, next) ? before : next;
    // A role that changed meanwhile may be in it or not: the next one who asks looks again.
    if (begun === generation) {
      const one = { organizationId, facts, generation: begun, everyone };
      const others = entry.facts.filter((other) => other.organizationId !== organizationId);
      entry.facts = others.length === 0 ? [one] : [...others.slice(1 - MAXIMUM_PLACES), one];
    }
    return facts;
  }

  return {
    async of({ kind, id }, organizationId) {
      if (changes.silence() >= MAXIMUM_SILENCE) generation += 1;
      const entry = await subjects[kind].get(id);
      if (entry === undefined) return undefined;
      const { organizations } = entry;
      if (organizationId !== null && organizations?.includes(organizationId) === false) return undefined;
      const everyone = kind === 'account' ? deps.everyone() : NOTHING;
      const found = madeFor(entry, organizationId);
      if (found?.generation === generation && found.everyone === everyone) return found.facts;
      return make(entry, organizationId, everyone);
    },
    start() {
      changes.on('access', (ids) => {
        if (ids === undefined) {
          generation += 1;
          roles.expire(undefined);
        }
        for (const known of Object.values(subjects)) known.expire(ids);
      });
      changes.on('clients', (ids) => subjects.client.expire(ids));
      changes.on('api-keys', (ids) => subjects['api-key'].expire(ids));
    },
  };
}

const NOTHING = compilePermissions([]);
const NONE: readonly never[] = [];

/** Combinations that were added up already, for as long as neither roles nor what everyone holds change. */
function createSums() {
  let known = new WeakMap<PermissionSet, Map<string, Sum>>();
  let current = 0;

  return {
    of(
      generation: number,
      held: readonly Held[],
      whole: readonly (WholeRole | undefined)[],
      everyone: PermissionSet,
    ): Sum {
      if (generation !== current) known = new WeakMap();
      current = generation;
      const same = known.get(everyone) ?? new Map<string, Sum>();
      if (same.size === 0 || same.size >= MAXIMUM_SUMS) {
        same.clear();
        known.set(everyone, same);
      }
      const key = held.map(({ roleId, team }) => `${roleId} ${team ?? ''}`).join('\n');
      const sum = same.get(key) ?? add(held, whole, everyone);
      same.set(key, sum);
      return sum;
    },
  };
}

function add(held: readonly Held[], whole: readonly (WholeRole | undefined)[], everyone: PermissionSet): Sum {
  const names = new Set<string>();
  const sources: Source[] = everyone.texts.map((permission) => ({ permission, via: 'everyone' }));
  for (const [at, role] of whole.entries()) {
    const team = held[at]?.team ?? null;
    for (const part of role?.parts ?? []) {
      names.add(part.name);
      const via = viaOf(part.name, role?.name ?? part.name, team);
      sources.push(...part.permissions.map((permission) => ({ permission, via })));
    }
  }
  const own = compilePermissions(sources.slice(everyone.texts.length).map(({ permission }) => permission));
  const permissions = own.texts.length === 0 ? everyone : everyone.union(own);
  return { permissions, roles: [...names].sort(), sources };
}

/** 'role viewer', 'role viewer, inherited by editor (in team Support)'. */
function viaOf(part: string, role: string, team: string | null): string {
  const inherited = part === role ? '' : `, inherited by ${role}`;
  return `role ${part}${inherited}${team === null ? '' : ` (in team ${team})`}`;
}

const madeFor = ({ facts }: Entry, organizationId: string | null) =>
  facts.find((one) => one.organizationId === organizationId);

const stale = (facts: readonly Kept[]): readonly Kept[] =>
  facts.length === 0 ? NONE : facts.map((one) => ({ ...one, generation: -1 }));

function isSame(one: Standing, other: Standing): boolean {
  const told = ({ organizations, held, identifiers }: Standing) =>
    JSON.stringify([organizations, held, identifiers]);
  return told(one) === told(other);
}

function isEqual(one: Facts, other: Facts): boolean {
  const told = ({ permissions, roles, sources, identifiers }: Facts) =>
    JSON.stringify([permissions.texts, roles, sources, identifiers]);
  return told(one) === told(other);
}
